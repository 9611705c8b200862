export { reportHtml } from './html.js';
export { auditPage } from './pages/audit-page.js';
export { benchPage } from './pages/bench-page.js';
export { checkPage } from './pages/check-page.js';
export { planPage } from './pages/plan-page.js';
export { runPage, simulatePage } from './pages/run-page.js';
export * from './plots/index.js';
export type { Fact, ReportPage } from './report-page.js';
