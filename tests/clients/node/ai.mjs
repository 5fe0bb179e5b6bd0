// npm ai with @openrouter/ai-sdk-provider, with nothing but its base URL changed.

import { createOpenRouter } from '@openrouter/ai-sdk-provider';
import { embedMany, generateText, jsonSchema, Output, streamText, tool } from 'ai';

function open({ baseURL, apiKey }) {
  return createOpenRouter({ apiKey, baseURL });
}

const CITY = jsonSchema({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] });
const PERSON = jsonSchema({
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'number' } },
  required: ['name', 'age'],
  additionalProperties: false,
});

function settings(door, { model, ...more }) {
  return { model: open(door).chat(model), maxRetries: 0, ...more };
}

export async function generate(door, request) {
  const { text, reasoningText, finishReason, usage, providerMetadata } = await generateText(settings(door, request));
  return { text, reasoningText, finishReason, usage, openrouter: providerMetadata?.openrouter };
}

export async function stream(door, request) {
  let failed;
  const result = streamText({ ...settings(door, request), onError: ({ error }) => (failed = error) });
  let text = '';
  for await (const piece of result.textStream) {
    text += piece;
  }
  if (failed) {
    throw failed;
  }
  return { text, finishReason: await result.finishReason, usage: await result.usage };
}

export async function call(door, request) {
  const weather = tool({ description: 'The weather', inputSchema: CITY });
  const { toolCalls } = await generateText({ ...settings(door, request), tools: { weather } });
  return toolCalls.map(({ toolName, input }) => ({ toolName, input }));
}

export async function object(door, request) {
  const output = Output.object({ schema: PERSON });
  return (await generateText({ ...settings(door, request), output })).output;
}

export async function embed(door, { model, values }) {
  const { embeddings } = await embedMany({ model: open(door).textEmbeddingModel(model), maxRetries: 0, values });
  return embeddings;
}
