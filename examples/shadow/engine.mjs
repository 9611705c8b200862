// Stands for a serving engine: it decides its steps itself, and writes what it decided, a line a step, to standard output.
//   node examples/shadow/engine.mjs [steps] [step at which it takes the next larger graph]
// A real one writes such lines from its own loop: docs/shadow.md has them for vLLM, SGLang and others.
const [count = '500', wrongAt = '-1'] = process.argv.slice(2);
const SIZES = [1, 2, 4, 8, 16];

let running = 0;
for (let step = 0; step < Number(count); step += 1) {
  // Requests come and go: every 7th step one more begins with its prompt, every 11th one ends.
  const begins = step % 7 === 0 && running < 14;
  const tokens = running + (begins ? 100 : 0);
  const row = { tokens, prefillRequests: begins ? 1 : 0, decodeRequests: running };
  const at = SIZES.findIndex((size) => size >= tokens);
  const wrong = step === Number(wrongAt) ? 1 : 0;
  const graph = !begins && at >= 0 ? SIZES[at + wrong] : undefined;
  const decision = graph === undefined ? { run: 'eager' } : { run: 'full', paddedTokens: graph };
  if (tokens > 0) console.log(JSON.stringify({ step, rows: [row], decision }));
  running += (begins ? 1 : 0) - (step % 11 === 10 && running > 1 ? 1 : 0);
}
