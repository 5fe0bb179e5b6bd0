// npm ai with @openrouter/ai-sdk-provider, with nothing but its base URL changed.

import { createOpenRouter } from '@openrouter/ai-sdk-provider';
import { embed as embedOne, embedMany, generateText, isStepCount, jsonSchema, Output, streamText, tool } from 'ai';

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

// Leaves by a signal after so many pieces.
export async function leave(door, request, after) {
  const leaving = new AbortController();
  const { textStream } = streamText({
    ...settings(door, request),
    abortSignal: leaving.signal,
    onError: () => {},
  });
  let seen = 0;
  for await (const _ of textStream) {
    seen += 1;
    if (seen === after) {
      leaving.abort();
      break;
    }
  }
  return seen;
}

// The package calls the function by itself, and tells the model what came.
export async function call(door, { stream, ...request }) {
  const asked = [];
  const execute = (input) => {
    asked.push(input);
    return 'sunny';
  };
  const weather = tool({ description: 'The weather', inputSchema: CITY, execute });
  const all = { ...settings(door, request), tools: { weather }, stopWhen: isStepCount(3) };
  const result = stream ? streamText(all) : await generateText(all);
  return { asked, said: await result.text };
}

export async function object(door, { stream, ...request }) {
  const all = { ...settings(door, request), output: Output.object({ schema: PERSON }) };
  return stream ? await streamText(all).output : (await generateText(all)).output;
}

// The model that continues a prompt, asked as `ai` asks its models: by itself, `ai` tells each of tools, which this one
// refuses.
export async function complete(door, { model, prompt, stream }) {
  const continuing = open(door).completion(model);
  const asked = { prompt: [{ role: 'user', content: [{ type: 'text', text: prompt }] }] };
  if (!stream) {
    const { content } = await continuing.doGenerate(asked);
    return content[0].text;
  }
  let text = '';
  for await (const part of (await continuing.doStream(asked)).stream) {
    text += part.type === 'text-delta' ? part.delta : '';
  }
  return text;
}

export async function embed(door, { model, values }) {
  const all = { model: open(door).textEmbeddingModel(model), maxRetries: 0 };
  const { embedding } = await embedOne({ ...all, value: values[0] });
  const { embeddings } = await embedMany({ ...all, values });
  return { embedding, embeddings };
}

// What it makes models of.
export const offers = (door) => Object.keys(open(door));
