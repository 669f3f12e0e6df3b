import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const center = process.env.CITYWATCH_CENTER ?? 'http://127.0.0.1:8700';

/** Tells the service worker which files are the shell: all that the build makes, and the public ones. */
function shell(): Plugin {
  return {
    name: 'citywatch-shell',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const worker = bundle['sw.js'];
        if (worker?.type !== 'chunk') return;
        const built = Object.keys(bundle).filter((name) => name.startsWith('assets/') && !name.endsWith('.map'));
        const files = [...built, ...readdirSync('public')].sort().map((name) => `/${name}`);
        const page = bundle['index.html'];
        const version = createHash('sha256').update(JSON.stringify(files));
        if (page?.type === 'asset') version.update(page.source);
        version.update(worker.code);
        worker.code = worker.code
          .replace('__SHELL_FILES__', JSON.stringify(files))
          .replace('__SHELL_VERSION__', version.digest('hex').slice(0, 12));
      },
    },
  };
}

export default defineConfig({
  plugins: [svelte(), shell()],
  build: {
    target: 'es2023',
    chunkSizeWarningLimit: 1400,
    // An inlined asset would be a data: address, which the content security policy does not grant to fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: 'index.html', sw: 'src/shell/worker.ts' },
      output: {
        // Its address never changes, so that the browser finds the next one there.
        entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
        // Some servers do not know .mjs as JavaScript, and the map's worker is refused under another media type.
        assetFileNames: (asset) =>
          asset.names.some((name) => name.endsWith('.mjs')) ? 'assets/[name]-[hash].js' : 'assets/[name]-[hash][extname]',
      },
    },
  },
  server: { proxy: { '/api': center, '/ws': { target: center, ws: true } } },
  test: { include: ['test/**/*.test.ts'] },
});
