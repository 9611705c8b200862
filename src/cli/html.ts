import { spawn } from 'node:child_process';
import path from 'node:path';
import { LockstepError } from '../errors.js';
import { writeDocument } from '../output/index.js';
import type { ReportPage } from '../report/index.js';
import { interrupts } from './interrupts.js';

/** What `--html` and `--open` hold. */
export interface HtmlFlags {
  readonly html?: string;
  readonly open?: boolean;
}

/** Rooms that make pages. They are loaded where a page is asked for. */
type Report = typeof import('../report/index.js');

/** Errors: ERR_CONFIG_INVALID for `--open` without a page to open. */
export function checkHtml({ html, open }: HtmlFlags): void {
  if (html === '') {
    throw new LockstepError('ERR_CONFIG_INVALID', '--html takes the path of a file, and none is given', {
      options: ['--html'],
    });
  }
  if (open !== true || html !== undefined) return;
  throw new LockstepError('ERR_CONFIG_INVALID', '--open opens the page of --html; give --html FILE too', {
    options: ['--open', '--html'],
  });
}

/** Writes the page where one is asked for, and opens it. Errors: ERR_INPUT_INVALID, ERR_ABORTED. */
export async function writeHtml({ html, open }: HtmlFlags, make: (report: Report) => ReportPage): Promise<void> {
  if (html === undefined) return;
  const report = await import('../report/index.js');
  await writeDocument(html, await report.reportHtml(make(report)), interrupts.signal);
  if (open === true) openPage(path.resolve(html));
}

/** Lets the desktop show a file. Where there is none the command has done its work all the same. */
function openPage(file: string): void {
  const openers: Partial<Record<NodeJS.Platform, readonly string[]>> = {
    darwin: ['open'],
    win32: ['explorer'],
  };
  const [program, ...args] = openers[process.platform] ?? ['xdg-open'];
  const child = spawn(program, [...args, file], { detached: true, stdio: 'ignore' });
  child.on('error', () => process.stderr.write(`lockstep: ${program} is not here to open ${file}; open it yourself\n`));
  child.unref();
}
