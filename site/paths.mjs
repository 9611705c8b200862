// Where the site comes from, and where it goes.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const docs = path.join(root, 'docs');
/** The pages as VitePress reads them: those of docs/, and those that TypeDoc writes. */
export const pages = path.join(root, '.setup/site');
/** The built site. */
export const out = path.join(root, 'site/dist');
/** The page that plans in a browser, once `npm run page` has built it. */
export const planner = path.join(root, 'page/dist');
