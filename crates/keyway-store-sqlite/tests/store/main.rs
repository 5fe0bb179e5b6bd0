//! What a store promises, asked of the real one on a real disk and of the model in memory.

mod contract;
mod crash;
mod load;
mod opening;
mod prune;
mod random;
mod source;
mod support;
mod upgrade;
mod wiped;
