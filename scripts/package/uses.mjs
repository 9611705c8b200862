// What somebody does with the installed package, by any runtime: each function is one check, and throws where it does not hold.
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { insist, run } from './checks.mjs';

/**
 * Where the package is installed, and what runs it.
 * @typedef {object} Place
 * @property {string} folder with node_modules
 * @property {any} manifest of the package
 * @property {NodeJS.ProcessEnv} env
 * @property {import('./runtimes.mjs').Runtime} runtime
 */

let modules = 0;

/** @param {Place} place @param {string} source @param {string} [ending] @returns {Promise<string>} what the module printed */
async function runModule({ folder, env, runtime }, source, ending = 'mjs') {
  modules += 1;
  const file = path.join(folder, `module-${modules}.${ending}`);
  writeFileSync(file, source);
  const { status, stdout, stderr } = await run([...runtime.command, file], { cwd: folder, env });
  insist(status === 0 && stderr === '', `${stdout}${stderr} (ended with ${status})`);
  return stdout;
}

/** Every entry point as an importer writes it, patterns spelled out. @param {Place} place @returns {string[]} */
function entryPoints({ folder, manifest }) {
  return Object.entries(manifest.exports).flatMap(([name, target]) => {
    const specifier = manifest.name + name.slice(1);
    if (!name.includes('*')) return [specifier];
    const [inside, ending] = target.split('*');
    return readdirSync(path.join(folder, 'node_modules', manifest.name, inside))
      .filter((file) => file.endsWith(ending))
      .map((file) => specifier.replace('*', file.slice(0, file.length - ending.length)));
  });
}

/** Every entry point by `import`: modules export, .wasm compiles, .json holds something. @param {Place} place */
export async function importsEverything(place) {
  const names = entryPoints(place);
  const text = await runModule(
    place,
    `
    import { readFileSync } from 'node:fs';
    import { createRequire } from 'node:module';
    const require = createRequire(import.meta.url);
    const found = {};
    for (const name of ${JSON.stringify(names)}) {
      if (name.endsWith('.wasm')) {
        const module = new WebAssembly.Module(readFileSync(new URL(import.meta.resolve(name))));
        found[name] = WebAssembly.Module.exports(module).length;
      } else if (name.endsWith('.json')) found[name] = Object.keys(require(name)).length;
      else found[name] = Object.keys(await import(name)).length;
    }
    console.log(JSON.stringify(found));`,
  );
  const found = JSON.parse(text);
  const empty = names.filter((name) => !(found[name] > 0));
  insist(names.length >= 10 && empty.length === 0, `these hold nothing: ${empty.join(', ')}`);
}

/** The main entry and the planner by `require`. @param {Place} place */
export async function requires(place) {
  const { name } = place.manifest;
  const text = await runModule(
    place,
    `console.log(typeof require('${name}').createRank, typeof require('${name}/planner').createPlanner);`,
    'cjs',
  );
  insist(text.trim() === 'function function', text);
}

/** Where a runtime cannot require an ES module, the error says what to do. @param {Place} place */
export async function saysHowToRequire(place) {
  const { name } = place.manifest;
  const runtime = { ...place.runtime, command: [...place.runtime.command, '--no-experimental-require-module'] };
  const text = await runModule(
    { ...place, runtime: /** @type {any} */ (runtime) },
    `try { require('${name}'); } catch (error) { console.log(error.code, error.message); }
     import('${name}').then((module) => console.log(typeof module.createRank));`,
    'cjs',
  );
  insist(/^ERR_REQUIRE_ESM .*20\.19.*await import\('lockstep'\)/.test(text) && text.endsWith('function\n'), text);
}

/** Three decodes, planned to the end: they run as the graph of four, the fourth being padding. @param {Place} place */
export async function plansStep(place) {
  await runModule(
    place,
    `
    import { createPlanner, decodePlan, LOCKSTEP_POLICY } from '${place.manifest.name}/planner';
    const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 1024, blockSize: 16, numBlocks: 100 };
    const plan = decodePlan({ sizes: [1, 2, 4, 8], limits: { ...limits, queryLen: 1 }, policy: LOCKSTEP_POLICY });
    const planner = await createPlanner({ limits, plan });
    for (const block of [7, 9, 4]) {
      const row = planner.requests.add({ blockIds: [block], numComputedTokens: 5 });
      planner.requests.schedule(row, { phase: 'decode', queryLen: 1, inputIds: Int32Array.of(block) });
    }
    planner.vote();
    const decision = planner.resolve(planner.table);
    const slots = planner.build(decision).tensors.slotMapping.subarray(0, 4).join();
    const found = [decision.run, decision.paddedTokens, slots].join(' ');
    if (found !== 'full 4 117,149,69,-1') throw new Error(found);
    planner.dispose();`,
  );
}

/**
 * Runs the command line.
 * @param {Place} place
 * @param {string[]} args
 * @param {{ input?: string, status?: number, before?: string[] }} [options] `before`: options of the runtime
 * @returns {Promise<import('./checks.mjs').Ending>}
 */
export async function command(place, args, { input = '', status = 0, before = [] } = {}) {
  const { folder, env, manifest, runtime } = place;
  const main = path.join(folder, 'node_modules', manifest.name, manifest.bin.lockstep);
  const ended = await run([...runtime.command, ...before, main, ...args], { cwd: folder, env, input });
  insist(
    ended.status === status,
    `lockstep ${args.join(' ')} ended with ${ended.status}, expected ${status}\n${ended.stdout}\n${ended.stderr}`,
  );
  return ended;
}

/** `--help` of the program and of every command that it lists. @param {Place} place */
export async function helps(place) {
  const { stdout } = await command(place, ['--help']);
  const names = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
  insist(names.length >= 10, `help lists too few commands:\n${stdout}`);
  for (const name of names) {
    const help = await command(place, [name, '--help']);
    insist(
      help.stdout.includes(`Usage: lockstep ${name}`) && help.stderr === '',
      `${name}: ${help.stdout}${help.stderr}`,
    );
  }
}

/** 20 requests on two ranks of the host device, verified. @param {Place} place */
export async function runsOnHost(place) {
  const { stdout } = await command(place, ['run', '--requests', '20', '--ranks', '2', '--device', 'host', '--json']);
  const result = JSON.parse(stdout);
  insist(typeof result.schemaVersion === 'number', 'no schemaVersion');
  const { steps, mismatches, diverged, requests, ranks, device } = result;
  const shown = JSON.stringify({ steps, mismatches, diverged, requests, ranks, device });
  insist(steps > 0 && mismatches === 0 && diverged === 0 && requests === 20 && ranks === 2 && device === 'host', shown);
}

/** A model's text, token for token what the model's own program says. @param {Place} place @param {string} model its folder */
export async function generates(place, model, { prompt, promptIds, outputIds }, most = 16) {
  const { stdout } = await command(place, ['generate', model, prompt, '--max-tokens', String(most), '--json']);
  const said = JSON.parse(stdout);
  const wanted = outputIds.slice(0, most);
  insist(
    said.promptIds.join() === promptIds.join() && said.outputIds.join() === wanted.join(),
    `${said.outputIds.join()} is not ${wanted.join()}`,
  );
}

/** @param {Place} place */
export async function conformance(place) {
  const { stdout } = await command(place, ['conformance', '--json']);
  const { passed, failed } = JSON.parse(stdout);
  insist(passed > 0 && failed === 0, JSON.stringify({ passed, failed }));
}

/** @param {Place} place */
export async function explains(place) {
  const requests = [{ phase: 'decode', queryLen: 1, numComputedTokens: 20, blockIds: [1, 2] }];
  const input = `${JSON.stringify({ ranks: [{ requests }, { requests }] })}\n`;
  const [line = ''] = (await command(place, ['explain', '--json'], { input })).stdout.split('\n');
  const result = JSON.parse(line);
  insist(result.votes.length === 2 && result.decision !== undefined && result.tensors.length > 0, line);
}

/**
 * No device: the command ends with 3 and gives the reason.
 * @param {Place} place
 * @param {RegExp} reason
 * @param {string} [lie] a module that runs first, and makes this system look like another
 */
export async function refusesToRun(place, reason, lie) {
  const before = [];
  if (lie !== undefined) {
    modules += 1;
    const file = path.join(place.folder, `lie-${modules}.cjs`);
    writeFileSync(file, lie);
    before.push('--require', file);
  }
  const args = ['run', '--requests', '20', '--ranks', '1', '--device', 'host', '--json'];
  const { stderr } = await command(place, args, { status: 3, before });
  insist(reason.test(stderr), stderr);
}
