#!/usr/bin/env node
// `npm run docs` builds the site into site/dist; `npm run docs:dev` serves it and follows changes of docs/. Needs no network.
import { cpSync, existsSync, watch } from 'node:fs';
import path from 'node:path';
import { build, createServer } from 'vitepress';
import { writeApi } from './api.mjs';
import { deadLinks } from './links.mjs';
import { docs, out, planner, root } from './paths.mjs';
import { stageDocs } from './stage.mjs';

const site = path.join(root, 'site');
stageDocs();
await writeApi();
if (process.argv[2] === 'dev') {
  const server = await createServer(site, { port: 5173 });
  await server.listen();
  server.printUrls();
  let timer;
  watch(docs, { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(stageDocs, 100);
  });
} else {
  await build(site);
  if (existsSync(planner)) cpSync(planner, path.join(out, 'planner'), { recursive: true });
  const dead = deadLinks(out);
  if (dead.length > 0) {
    console.error(`Links that lead nowhere:\n  ${dead.join('\n  ')}`);
    process.exit(1);
  }
  console.log(`The site is in ${path.relative(process.cwd(), out) || out}: serve that folder, or npm run docs:dev.`);
}
