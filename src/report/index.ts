export * from './plots/index.js';
