// What the packages do by themselves around a model: they call functions of the program, and tell the model what came.

import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import OpenAI from 'openai';
import { OpenRouter } from 'openrouter-newest';

const CITY = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};

// A function of the program that remembers what it was asked.
function weather() {
  const asked = [];
  const run = (input) => {
    asked.push(typeof input === 'string' ? JSON.parse(input) : input);
    return 'sunny';
  };
  return { asked, run };
}

export async function openai({ apiKey, baseURL }, { stream, ...request }) {
  const { asked, run } = weather();
  const client = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
  const tool = { type: 'function', function: { name: 'weather', parameters: CITY, function: run } };
  const runner = client.chat.completions.runTools({ ...request, stream, tools: [tool] });
  return { asked, said: await runner.finalContent() };
}

export async function anthropic({ apiKey, baseURL }, request) {
  const { asked, run } = weather();
  const client = new Anthropic({ apiKey, baseURL: baseURL.replace(/\/v1$/, ''), maxRetries: 0 });
  const tool = betaTool({ name: 'weather', description: 'The weather', inputSchema: CITY, run });
  const message = await client.beta.messages.toolRunner({ ...request, tools: [tool] }).runUntilDone();
  return { asked, said: message.content[0].text };
}

export async function openrouter({ apiKey, baseURL }, request) {
  const client = new OpenRouter({ apiKey, serverURL: baseURL, retryConfig: { strategy: 'none' } });
  return { said: await client.callModel(request).getText() };
}
