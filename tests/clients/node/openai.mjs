// npm openai, with nothing but its base URL changed.

import OpenAI from 'openai';

import { collected } from './values.mjs';

function open({ baseURL, apiKey }) {
  return new OpenAI({ apiKey, baseURL, maxRetries: 0 });
}

export const chat = (door, request) => open(door).chat.completions.create(request);

export const stream = (door, request) => collected(open(door).chat.completions.create({ ...request, stream: true }));

// The sum of the chunks, as the package makes it.
export const addedUp = (door, request) => open(door).chat.completions.stream(request).finalChatCompletion();

export const models = (door) => collected(open(door).models.list());

export const respond = (door, request) => open(door).responses.create(request);

export const respondStreaming = (door, request) => collected(open(door).responses.create({ ...request, stream: true }));

// The response at the end of a stream, as the package puts it together.
export const respondAddedUp = (door, request) => open(door).responses.stream(request).finalResponse();

export const complete = (door, request) => open(door).completions.create(request);

export const completeStreaming = (door, request) => collected(open(door).completions.create({ ...request, stream: true }));

export const embed = (door, request) => open(door).embeddings.create(request);
