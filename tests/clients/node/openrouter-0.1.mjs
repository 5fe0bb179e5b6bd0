// npm @openrouter/sdk 0.1: creation and chat take their bodies as they are, the other calls an object. What goes into a
// query is a string: the example's `list({ offset: 100 })` is `list({ offset: '100' })` here.

import { OpenRouter } from 'openrouter-0.1';

import { collected, withDates } from './values.mjs';

function open({ baseURL, apiKey }) {
  return new OpenRouter({ apiKey, serverURL: baseURL, retryConfig: { strategy: 'none' } });
}

export const list = (door, query = {}) => open(door).apiKeys.list(strings(query));

export const create = (door, body) => open(door).apiKeys.create(withDates(body));

export const get = (door, hash) => open(door).apiKeys.get({ hash });

export const update = (door, hash, body) => open(door).apiKeys.update({ hash, requestBody: body });

export const remove = (door, hash) => open(door).apiKeys.delete({ hash });

export const current = (door) => open(door).apiKeys.getCurrentKeyMetadata();

export const chat = (door, request) => open(door).chat.send(request);

export const stream = (door, request) => collected(open(door).chat.send({ ...request, stream: true }));

export async function models(door) {
  return (await open(door).models.list()).data;
}

function strings(query) {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, String(value)]));
}
