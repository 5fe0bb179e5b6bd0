// npm @anthropic-ai/sdk, with nothing but its base URL changed.

import Anthropic from '@anthropic-ai/sdk';

import { collected } from './values.mjs';

// Its base URL ends before the version: `http://host/api`.
function open({ baseURL, apiKey }) {
  return new Anthropic({ apiKey, baseURL: baseURL.replace(/\/v1$/, ''), maxRetries: 0 });
}

export const create = (door, request) => open(door).messages.create(request);

export const stream = (door, request) => collected(open(door).messages.create({ ...request, stream: true }));

// The sum of the events, as the package makes it.
export const addedUp = (door, request) => open(door).messages.stream(request).finalMessage();

export const count = (door, request) => open(door).messages.countTokens(request);

// Leaves after so many events.
export async function leave(door, request, after) {
  const stream = open(door).messages.stream(request);
  let seen = 0;
  for await (const _ of stream) {
    seen += 1;
    if (seen === after) {
      stream.abort();
      break;
    }
  }
  return seen;
}
