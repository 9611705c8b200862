import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build, type PreviewServer, preview } from 'vite';
import { root } from './cli.js';

/** Debian's Chromium, or the browser that `LOCKSTEP_CHROMIUM` names. */
const CHROMIUM = process.env.LOCKSTEP_CHROMIUM ?? '/usr/bin/chromium';

/** Whether there is a browser to try the page in: where there is none such tests are skipped, and so counted as not run. */
export const hasBrowser: boolean = existsSync(CHROMIUM);

const settings = { configFile: path.join(root, 'page/vite.config.ts'), logLevel: 'error' } as const;

/** Builds the page into `outDir`. */
export async function buildPage(outDir: string): Promise<void> {
  await build({ ...settings, build: { outDir, emptyOutDir: true } });
}

/** Starts the browser. Its own sandbox does not start for root, as which CI runs; all pages are our own. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'], timeout: 240_000 });
}

/** The page, built and served on this machine, and a browser to open it in. */
export interface ServedPage {
  readonly browser: Browser;
  readonly address: string;
  /** A page at `#hash` in a context of its own. */
  open(hash: string, options?: Parameters<Browser['newPage']>[0]): Promise<Page>;
  close(): Promise<void>;
}

/** Serves what `buildPage` made, and starts the browser. */
export async function servePage(outDir: string): Promise<ServedPage> {
  const server: PreviewServer = await preview({
    ...settings,
    build: { outDir },
    preview: { port: 0, host: '127.0.0.1' },
  });
  const found = server.httpServer.address();
  if (found === null || typeof found === 'string') throw new Error('the page is not served on a port');
  const address = `http://127.0.0.1:${found.port}/`;
  const browser = await startBrowser();
  return {
    browser,
    address,
    open: async (hash, options) => {
      const page = await browser.newPage(options);
      page.setDefaultTimeout(240_000);
      await page.goto(`${address}#${hash}`);
      return page;
    },
    close: async () => {
      await browser.close();
      await new Promise<void>((resolve) => server.httpServer.close(() => resolve()));
    },
  };
}
