/** The part of JavaScript's WebAssembly that is used: TypeScript only has it together with a browser's page. */
declare namespace WebAssembly {
  interface Memory {
    readonly buffer: ArrayBuffer;
    /** Adds pages of 64 KB. Views of the buffer before are of no use any more. */
    readonly grow: (pages: number) => number;
  }
  const Memory: new (size: { readonly initial: number }) => Memory;
  interface Module {
    readonly [Symbol.toStringTag]: string;
  }
  const Module: new (code: Uint8Array) => Module;
  const Instance: new (
    module: Module,
    imports: { readonly env: { readonly memory: Memory } },
  ) => { readonly exports: unknown };
}
