import path from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const root = import.meta.dirname;

/** Leaves out the scalar build of the C++ module: browsers that run the page's code have 128-bit SIMD, and it is 22 KB compressed. */
function withoutScalarModule(): Plugin {
  const scalar = "new URL('./metadata-scalar.wasm', import.meta.url)";
  return {
    name: 'without-scalar-module',
    enforce: 'pre',
    transform(code, id) {
      if (!id.endsWith('/memory/modules.js')) return null;
      if (!code.includes(scalar)) this.error(`${id} names the scalar module otherwise: look at page/vite.config.ts`);
      return { code: code.replace(scalar, "new URL('./metadata.wasm', import.meta.url)"), map: null };
    },
  };
}

/**
 * The page as static files that any server serves, from any folder. It is built from the package's own entry points in dist/, as
 * a stranger's page would be, without Node's forms of them.
 */
export default defineConfig({
  root,
  base: './',
  plugins: [withoutScalarModule()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  resolve: { conditions: ['module', 'browser', 'import', 'default'] },
  worker: { format: 'es', plugins: () => [withoutScalarModule()] },
  server: { fs: { allow: [path.dirname(root)] } },
  build: {
    outDir: path.join(root, 'dist'),
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
