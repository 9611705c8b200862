import { expect, test } from 'vitest';
import { loadModules } from '../../dist/memory/modules.js';
import { LAWS } from './laws.js';

const builtIn = await loadModules();

test.each(LAWS)('the rules as they are keep the law: $name', async (law) => {
  expect(await law.broken(builtIn)).toBeUndefined();
});
