// Carries out calls of npm clients. One line of JSON on standard input is one call; one line on standard output is what
// it returned or threw.

import { createInterface } from 'node:readline';

import * as ai from './ai.mjs';
import * as anthropic from './anthropic.mjs';
import * as example from './example.mjs';
import * as openai from './openai.mjs';
import * as openrouterNewest from './openrouter-newest.mjs';
import * as openrouter01 from './openrouter-0.1.mjs';

const CLIENTS = {
  ai,
  anthropic,
  example,
  openai,
  'openrouter-newest': openrouterNewest,
  'openrouter-0.1': openrouter01,
};

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await carryOut(JSON.parse(line));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

async function carryOut({ client, method, baseURL, apiKey, arguments: args }) {
  try {
    const call = CLIENTS[client][method];
    return { returned: await call({ baseURL, apiKey }, ...args) };
  } catch (error) {
    return { thrown: told(error) };
  }
}

// What an error tells the programmer who catches it.
function told(error) {
  return {
    type: error.constructor.name,
    status: error.statusCode ?? error.status,
    message: error.error?.message ?? error.message,
  };
}
