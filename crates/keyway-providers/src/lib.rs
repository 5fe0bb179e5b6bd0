//! What providers and their clients speak: strict JSON, server-sent events, the form in the middle
//! ([`chat`]), the dialects of clients ([`face`]), one adapter for each of providers, and the built-in
//! echo model. Nothing here does I/O or reads a clock.

mod anthropic;
mod aws;
mod bedrock;
pub mod chat;
mod cohere;
pub mod dialect;
pub mod echo;
pub mod face;
mod gemini;
pub mod json;
pub mod openai;
pub mod sse;
