// The packages whose calls are made by their names, each with nothing but its base URL changed.

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { OpenRouter as OpenRouter01 } from 'openrouter-0.1';
import { OpenRouter } from 'openrouter-newest';

const WITHOUT_RETRIES = { strategy: 'none' };

const CLIENTS = {
  // Its base URL ends before the version: `http://host/api`.
  anthropic: ({ apiKey, baseURL }) => new Anthropic({ apiKey, baseURL: baseURL.replace(/\/v1$/, ''), maxRetries: 0 }),
  openai: ({ apiKey, baseURL }) => new OpenAI({ apiKey, baseURL, maxRetries: 0 }),
  'openrouter-0.1': ({ apiKey, baseURL }) =>
    new OpenRouter01({ apiKey, serverURL: baseURL, retryConfig: WITHOUT_RETRIES }),
  'openrouter-newest': ({ apiKey, baseURL }) =>
    new OpenRouter({ apiKey, serverURL: baseURL, retryConfig: WITHOUT_RETRIES }),
};

// Calls `method`, `chat.completions.create` for one. `how` says what becomes of what it returns.
export async function call(client, door, method, how, args) {
  const names = method.split('.');
  const last = names.pop();
  const home = names.reduce((at, name) => at[name], CLIENTS[client](door));
  const leaving = new AbortController();
  const options = how.abort ? [{ signal: leaving.signal }] : [];
  const returned = home[last](...args, ...options);
  if (how.end) {
    return returned[how.end]();
  }
  if (how.after) {
    return leave(await returned, how.after, how.abort && (() => leaving.abort()));
  }
  return how.all ? collected(await returned) : returned;
}

// All chunks of a stream, or all that a list has.
async function collected(stream) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return chunks;
}

// Leaves after so many chunks: by an end of the loop, or in the middle by a signal.
async function leave(stream, after, abort) {
  let seen = 0;
  try {
    for await (const _ of stream) {
      seen += 1;
      if (seen === after) {
        if (!abort) break;
        abort();
      }
    }
  } catch (error) {
    if (!/abort/i.test(`${error.name} ${error.message}`)) throw error;
  }
  return seen;
}

// Every method that a client has, by its names from the client on.
export function offers(client, door) {
  const found = [];
  const visit = (at, path) => {
    for (const name of namesOf(at)) {
      const value = at[name];
      if (typeof value === 'function' && path.length) {
        found.push([...path, name].join('.'));
      } else if (value && typeof value === 'object' && ('_client' in value || '_baseURL' in value)) {
        visit(value, [...path, name]);
      }
    }
  };
  visit(CLIENTS[client](door), []);
  return found;
}

function namesOf(value) {
  const names = new Set(Object.keys(value));
  const prototype = Object.getPrototypeOf(value);
  Object.getOwnPropertyNames(prototype).forEach((name) => names.add(name));
  return [...names].filter((name) => name !== 'constructor' && !name.startsWith('_'));
}
