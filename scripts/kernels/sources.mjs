import { readFileSync } from 'node:fs';
import path from 'node:path';
import { hashBytes } from '../setup/files.mjs';

/** Where the kernels' sources lie, and what they were compiled to. Relative to the root. */
export const SOURCES = 'native/kernels';
export const BUILT = 'native/kernels/built';

const INCLUDE = /^#include "([^"]+)"$/;

/**
 * The files that `file` is made of, itself last, each once.
 * @param {string} root
 * @param {string} file
 * @returns {string[]} names within native/kernels
 */
function closure(root, file, seen = new Set()) {
  if (seen.has(file)) return [];
  seen.add(file);
  const inner = linesOf(root, file).flatMap((line) => closure(root, INCLUDE.exec(line)?.[1] ?? file, seen));
  return [...inner, file];
}

/** @param {string} root @param {string} file */
function linesOf(root, file) {
  return readFileSync(path.join(root, SOURCES, file), 'utf8')
    .replace(/\n$/, '')
    .split('\n');
}

/** Hash of all that reaches a GPU: device.cu, what it includes, and the words that plain clang needs beside. @param {string} root */
export function hashSources(root) {
  const files = [...closure(root, 'device.cu'), 'clang-words.h'].sort();
  return hashBytes(JSON.stringify(files.map((file) => [file, linesOf(root, file)])));
}

/**
 * device.cu with its includes in their places: what hiprtc compiles. A header comes once, the list of names wherever it is
 * included.
 * @param {string} root
 */
export function inlinedSource(root) {
  const seen = new Set();
  /** @param {string} file @returns {string[]} */
  const text = (file) =>
    linesOf(root, file).flatMap((line) => {
      const included = INCLUDE.exec(line)?.[1];
      if (line === '#pragma once') return [];
      if (included === undefined) return [line];
      if (seen.has(included)) return [];
      if (included.endsWith('.h')) seen.add(included);
      return text(included);
    });
  const lines = ['// Made of native/kernels by npm run build:kernels.', ...text('device.cu')];
  return `${lines.join('\n').replace(/\n{3,}/g, '\n\n')}\n`;
}

/** The names of kernel-names.inc. @param {string} root */
export function kernelNames(root) {
  return linesOf(root, 'kernel-names.inc').flatMap((line) => /^LOCKSTEP_KERNEL\((\w+)\)$/.exec(line)?.[1] ?? []);
}
