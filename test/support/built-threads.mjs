import { registerHooks } from "node:module";
import { isMainThread } from "node:worker_threads";

/*
 * For the whole test run: the product's threads are those that were built, which start several times as fast. Node
 * imports this before everything else, in threads as well. No TypeScript: each of them would load what reads that.
 */

const SOURCES = new URL("../../shared/", import.meta.url).href;

if (!isMainThread) {
  registerHooks({
    resolve(specifier, context, next) {
      const name = specifier.startsWith(SOURCES) ? /([a-z]+-(?:keeper|thread))\.ts$/.exec(specifier)?.[1] : undefined;
      return next(name === undefined ? specifier : new URL(`../../cli/dist/${name}.js`, import.meta.url).href, context);
    },
  });
}
