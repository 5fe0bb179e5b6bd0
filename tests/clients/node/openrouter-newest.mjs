// npm @openrouter/sdk in its newest version: every call takes one object.

import { OpenRouter } from 'openrouter-newest';

import { collected, withDates } from './values.mjs';

function open({ baseURL, apiKey }) {
  return new OpenRouter({ apiKey, serverURL: baseURL, retryConfig: { strategy: 'none' } });
}

export const list = (door, query) => open(door).apiKeys.list(query);

export const create = (door, body) => open(door).apiKeys.create({ requestBody: withDates(body) });

export const get = (door, hash) => open(door).apiKeys.get({ hash });

export const update = (door, hash, body) => open(door).apiKeys.update({ hash, requestBody: body });

export const remove = (door, hash) => open(door).apiKeys.delete({ hash });

export const current = (door) => open(door).apiKeys.getCurrentKeyMetadata();

export const chat = (door, request) => open(door).chat.send({ chatRequest: request });

export const stream = (door, request) => collected(open(door).chat.send({ chatRequest: { ...request, stream: true } }));

// The list comes page by page.
export async function models(door) {
  const found = [];
  for await (const page of await open(door).models.list()) {
    found.push(...page.result.data);
  }
  return found;
}

export const respond = (door, request) => open(door).responses.send({ responsesRequest: request });

export const respondStreaming = (door, request) =>
  collected(open(door).responses.send({ responsesRequest: { ...request, stream: true } }));

export const embed = (door, request) => open(door).embeddings.generate({ requestBody: request });

export const rerank = (door, request) => open(door).rerank.rerank({ requestBody: request });
