import { PLOT_CSS } from './plots/index.js';

/** The style of a page: light and dark, wide and narrow, on the screen and printed. */
export const PAGE_CSS: string = `${PLOT_CSS}
:root { --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --panel: #f6f8fa; --link: #0a5ca8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --quiet: #a4adb6; --line: #363d45; --panel: #1d2126; --link: #7cc0f5; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--plot-paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main, header, footer { max-width: 60rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 0.25rem; font-size: 1.25rem; }
.lead { margin: 0.5rem 0 0; font-size: 1.125rem; }
.quiet, figcaption, footer { color: var(--quiet); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: 0.75rem; margin: 1.5rem 0; padding: 0; }
.facts div { border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.5rem 0.75rem; background: var(--panel); }
.facts dt { font-size: 0.8125rem; color: var(--quiet); }
.facts dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.facts dd small { display: block; font-size: 0.8125rem; color: var(--quiet); }
section { margin: 2.5rem 0; break-inside: avoid-page; }
section p { margin: 0 0 0.5rem; max-width: 46rem; }
figure { margin: 0; }
.drawing { position: relative; overflow-x: auto; }
.drawing svg { display: block; max-width: 100%; height: auto; }
.drawing.lanes svg { max-width: none; }
.drawing .narrow { display: none; }
.dragged { position: absolute; top: 0; bottom: 0; background: var(--plot-ours); opacity: 0.25; pointer-events: none; }
.zoom { display: flex; flex-wrap: wrap; gap: 0.375rem; margin: 0.5rem 0; }
.zoom[hidden] { display: none; }
.zoom button { font: inherit; font-size: 0.875rem; min-height: 2rem; padding: 0.125rem 0.75rem; color: var(--ink); background: var(--panel); border: 1px solid var(--quiet); border-radius: 0.375rem; cursor: pointer; }
.said { min-height: 1.5em; margin: 0; font-size: 0.875rem; color: var(--quiet); }
details { margin: 0.75rem 0; }
summary { cursor: pointer; color: var(--link); width: fit-content; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.scroll { overflow: auto; border: 1px solid var(--line); border-radius: 0.375rem; margin-top: 0.5rem; }
.scroll.tall { max-height: 28rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0.5rem 0.75rem; color: var(--quiet); }
th, td { padding: 0.25rem 0.75rem; text-align: right; border-top: 1px solid var(--line); vertical-align: top; }
thead th { position: sticky; top: 0; background: var(--panel); border-top: 0; }
th:first-child, td:first-child, .words td, .words th { text-align: left; }
td { overflow-wrap: break-word; }
.words td { min-width: 6rem; overflow-wrap: anywhere; }
th { font-weight: 600; }
tbody th { font-weight: 400; white-space: nowrap; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid var(--line); border-radius: 0.375rem; background: var(--panel); font-size: 0.8125rem; line-height: 1.4; }
footer { padding-bottom: 2rem; font-size: 0.875rem; }
@media (max-width: 560px) {
  .drawing .wide { display: none; }
  .drawing .narrow { display: block; }
  main, header, footer { padding: 0 1rem; }
  header { padding-top: 1.25rem; }
}
@media print {
  :root { --ink: #000; --quiet: #333; --line: #999; --panel: #fff; --link: #000; }
  body { font-size: 10pt; }
  .zoom, .said { display: none; }
  .scroll.tall { max-height: none; }
  .scroll { overflow: visible; }
  thead th { position: static; }
  details::details-content { content-visibility: visible; block-size: auto; }
  svg, .facts div { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
