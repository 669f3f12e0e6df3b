import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const center = process.env.CITYWATCH_CENTER ?? 'http://127.0.0.1:8700';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2023',
    chunkSizeWarningLimit: 1400,
    // An inlined asset would be a data: address, which the content security policy does not grant to fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // Some servers do not know .mjs as JavaScript, and the map's worker is refused under another media type.
        assetFileNames: (asset) =>
          asset.names.some((name) => name.endsWith('.mjs')) ? 'assets/[name]-[hash].js' : 'assets/[name]-[hash][extname]',
      },
    },
  },
  server: { proxy: { '/api': center, '/ws': { target: center, ws: true } } },
  test: { include: ['test/**/*.test.ts'] },
});
