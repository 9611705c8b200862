// `npm run bench:page -- TRACE --rounds 5`: the first plan of a trace on the page, in Chromium, beside `lockstep plan` in Node, round by round.
// Without a file: generated requests, as many as the Azure trace has. Times vary with what else the machine does; the ratio does less.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';
import { generateWorkload } from '../dist/entry/workload.js';

const REQUESTS = 19_366;

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1 || positionals.length > 1) {
  console.error('Give one trace at most, and --rounds, 1 or more.');
  process.exit(2);
}

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-bench-page-'));
try {
  const trace = positionals[0] === undefined ? generated() : path.resolve(positionals[0]);
  const figures = await measure(trace);
  console.log(values.json ? JSON.stringify(figures) : lines(figures));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A trace in the form in which Azure publishes them. */
function generated() {
  const begin = Date.UTC(2023, 10, 16, 18);
  const rows = [...generateWorkload({ requests: REQUESTS, seed: 0 })].map(
    ({ arrivalMs, inputTokens, outputTokens }) => {
      const date = new Date(begin + arrivalMs).toISOString().slice(0, -1).replace('T', ' ');
      return `${date}0000,${inputTokens},${outputTokens}`;
    },
  );
  const file = path.join(folder, 'generated.csv');
  writeFileSync(file, `${['TIMESTAMP,ContextTokens,GeneratedTokens', ...rows].join('\n')}\n`);
  return file;
}

/** Milliseconds of both, as medians of the rounds; `ratio` is the median of the rounds' own. */
async function measure(/** @type {string} */ trace) {
  const settings = { configFile: path.join(root, 'page/vite.config.ts'), logLevel: /** @type {const} */ ('error') };
  const outDir = path.join(folder, 'built');
  await build({ ...settings, build: { outDir, emptyOutDir: true } });
  const server = await preview({ ...settings, build: { outDir }, preview: { port: 0, host: '127.0.0.1' } });
  const executablePath = process.env.LOCKSTEP_CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const found = server.httpServer.address();
    if (found === null || typeof found === 'string') throw new Error('the page is not served on a port');
    const samples = [];
    for (let round = 0; round < rounds; round++) {
      const nodeMs = inNode(trace);
      const { openMs, pageMs } = await inPage(browser, `http://127.0.0.1:${found.port}/#plan`, trace);
      samples.push({ openMs, pageMs, nodeMs, ratio: pageMs / nodeMs });
    }
    /** @param {keyof typeof samples[0]} name */
    const middle = (name) => median(samples.map((sample) => sample[name]));
    return {
      ...{ trace: path.basename(trace), rounds },
      ...{ openMs: middle('openMs'), pageMs: middle('pageMs'), nodeMs: middle('nodeMs'), ratio: middle('ratio') },
    };
  } finally {
    await browser.close();
    await new Promise((resolve) => server.httpServer.close(resolve));
  }
}

/** The whole command, with Node's start. */
function inNode(/** @type {string} */ trace) {
  const start = performance.now();
  const command = [path.join(root, 'dist/cli/main.js'), 'plan', trace, '--json'];
  execFileSync(process.execPath, command, { maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] });
  return performance.now() - start;
}

/** A page that is opened and has planned its generated workload; then from the choice of the file until its numbers are shown. */
async function inPage(
  /** @type {import('playwright-core').Browser} */ browser,
  /** @type {string} */ address,
  /** @type {string} */ trace,
) {
  const page = await browser.newPage();
  try {
    const start = performance.now();
    await page.goto(address);
    await page.locator('.results[aria-busy=false] dl.headline').waitFor();
    const opened = performance.now();
    await page.locator('input[type=file]').setInputFiles(trace);
    await page.getByText(`Planned for ${path.basename(trace)}`).waitFor();
    await page.locator('.results[aria-busy=false] dl.headline').waitFor();
    return { openMs: opened - start, pageMs: performance.now() - opened };
  } finally {
    await page.close();
  }
}

function median(/** @type {number[]} */ numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function lines(/** @type {Awaited<ReturnType<typeof measure>>} */ { trace, openMs, pageMs, nodeMs, ratio }) {
  const ms = (/** @type {number} */ number) => `${number.toFixed(0)} ms`;
  return [
    `${trace}, medians of ${rounds} rounds`,
    `opened, first plan shown  ${ms(openMs)}`,
    `the trace on the page     ${ms(pageMs)}`,
    `lockstep plan in Node     ${ms(nodeMs)}`,
    `page / Node               ${ratio.toFixed(2)}`,
  ].join('\n');
}
