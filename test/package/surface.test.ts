import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { checker, exported } from '../support/public-surface.js';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const homes = new Map<string, string[]>();
for (const [entry, symbols] of exported) {
  for (const { name } of symbols) homes.set(name, [...(homes.get(name) ?? []), entry]);
}

/** Rows `| name | successor |` of the section of CHANGELOG.md about names that are gone. */
function goneNames(): Map<string, string> {
  const [, section = ''] = read('CHANGELOG.md').split('### Names that are gone');
  const rows = section.split(/^#/m)[0].matchAll(/^\| `(\w+)` \| (.+) \|$/gm);
  return new Map([...rows].map(([, name, successor]) => [name, successor]));
}

/** What an interface, a class or an object type declares itself; of a class nothing private. */
function ownMembers(symbol: ts.Symbol | undefined): readonly (ts.ClassElement | ts.TypeElement)[] {
  if (symbol === undefined) return [];
  const own = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const declared = (own.declarations ?? []).flatMap((declaration): readonly (ts.ClassElement | ts.TypeElement)[] => {
    if (ts.isInterfaceDeclaration(declaration) || ts.isClassDeclaration(declaration)) return declaration.members;
    const isObject = ts.isTypeAliasDeclaration(declaration) && ts.isTypeLiteralNode(declaration.type);
    return isObject ? (declaration.type as ts.TypeLiteralNode).members : [];
  });
  return declared.filter(
    (member) =>
      !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private) &&
      !(member.name !== undefined && ts.isPrivateIdentifier(member.name)),
  );
}

/** Members of the objects that are written out within a type. What a function takes is explained with the function. */
function inlineMembers(node: ts.Node): readonly ts.TypeElement[] {
  if (ts.isFunctionLike(node) && !ts.isPropertySignature(node)) return [];
  const own = ts.isTypeLiteralNode(node) ? [...node.members] : [];
  const within: ts.TypeElement[] = [];
  ts.forEachChild(node, (child) => {
    within.push(...inlineMembers(child));
  });
  return [...own, ...within];
}

/** All that are written out in what an exported type declares. */
function inlineOf(symbol: ts.Symbol): readonly ts.TypeElement[] {
  const own = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const types = (own.declarations ?? []).filter((each) => ts.isTypeAliasDeclaration(each)).map((each) => each.type);
  const direct = types.filter((type) => !ts.isTypeLiteralNode(type)).flatMap((type) => inlineMembers(type));
  return [
    ...direct,
    ...ownMembers(symbol).flatMap((member) => (ts.isFunctionLike(member) ? [] : inlineMembers(member))),
  ];
}

/** Those without a word of what they are, their own or of what the class implements. */
function bare(symbol: ts.Symbol, of: readonly (ts.ClassElement | ts.TypeElement)[]): string[] {
  return of
    .filter((member) => {
      if (ts.getJSDocCommentsAndTags(member).length > 0) return false;
      const known = member.name === undefined ? undefined : checker.getSymbolAtLocation(member.name);
      return known === undefined || known.getDocumentationComment(checker).length === 0;
    })
    .map((member) => `${symbol.name}.${member.name?.getText() ?? 'constructor'}`);
}

describe('the public surface', () => {
  test('has these entries, and about 60 names at the root', () => {
    const names = [
      '.',
      './planner',
      './decoder',
      './capture',
      './engines',
      './workload',
      './checkpoint',
      './check',
      './run',
      './service',
      './metrics',
      './native',
    ];
    expect([...exported.keys()]).toEqual(names);
    for (const [entry, symbols] of exported) expect(symbols.length, entry).toBeGreaterThan(5);
    expect(exported.get('.')?.length).toBeLessThanOrEqual(70);
    expect(exported.get('./check')?.map(({ name }) => name)).toContain('checkPolicy');
  });

  test('exports each name from one entry', () => {
    expect([...homes].filter(([, entriesOfIt]) => entriesOfIt.length > 1)).toEqual([]);
  });

  test('documents every symbol', () => {
    const bare = [...exported].flatMap(([entry, symbols]) =>
      symbols
        .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
        .filter((symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() === '')
        .map(({ name }) => `${entry} ${name}`),
    );
    expect(bare).toEqual([]);
  });

  test('documents every member of what it exports', () => {
    const lacking = new Map(
      [...exported].map(([entry, symbols]) => [entry, symbols.flatMap((symbol) => bare(symbol, ownMembers(symbol)))]),
    );
    expect(ownMembers(exported.get('./planner')?.find(({ name }) => name === 'Limits')).length).toBeGreaterThan(5);
    const { './service': service = [], ...others } = Object.fromEntries(lacking);
    expect(Object.entries(others).filter(([, names]) => names.length > 0)).toEqual([]);
    // May only become fewer.
    expect(service.length, service.join(', ')).toBeLessThanOrEqual(8);
  });

  test('documents most members of objects that are written out in a type', () => {
    const lacking = [...exported.values()].flat().flatMap((symbol) => bare(symbol, inlineOf(symbol)));
    // May only become fewer: the greater part are those of one line, whose comment says all of them.
    expect(lacking.length, lacking.join(', ')).toBeLessThanOrEqual(61);
  });

  test('keeps each name of 0.1, or CHANGELOG.md names its successor', () => {
    const before = JSON.parse(read('test/fixtures/surface/names-0.1.json')) as Record<string, string[]>;
    const gone = goneNames();
    const names = new Set(Object.values(before).flat());
    expect(names.size).toBeGreaterThan(380);
    expect([...names].filter((name) => !homes.has(name) && !gone.has(name))).toEqual([]);
    expect([...gone.keys()].filter((name) => homes.has(name) || !names.has(name))).toEqual([]);
    const successors = [...gone].flatMap(([name, text]) =>
      [...text.matchAll(/`(\w+)`/g)].map(([, successor]) => [name, successor]),
    );
    expect(successors.filter(([, successor]) => !homes.has(successor))).toEqual([]);
  });
});
