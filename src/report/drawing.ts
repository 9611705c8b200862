import { readFileSync } from 'node:fs';
import type { PlotLibrary, SvgDocument } from './plots/index.js';

/** What `dist/report/bundle.js` holds: Observable Plot, what stands in for a browser's document, and the script of pages. */
interface Bundle {
  readonly lockstepPage: { readonly Plot: PlotLibrary };
  readonly lockstepDom: { parseHTML(html: string): { readonly document: SvgDocument } };
}

/** What pages are drawn with. */
export interface Drawing {
  readonly Plot: PlotLibrary;
  readonly document: SvgDocument;
  /** The same, as the script of a page. */
  readonly script: string;
}

const BORDER = '\n//# end of what goes into pages\n';

/** Loads what draws. Nothing else does: a command without a page starts without it. */
export async function loadDrawing(): Promise<Drawing> {
  const url = new URL('./bundle.js', import.meta.url);
  const { lockstepPage, lockstepDom } = (await import(url.href)) as Bundle;
  const [script] = readFileSync(url, 'utf8').split(BORDER);
  const { document } = lockstepDom.parseHTML('<html><body></body></html>');
  return { Plot: lockstepPage.Plot, document, script: `${script}\nlockstepPage.start();` };
}
