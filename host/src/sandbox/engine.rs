//! The engine: how it is configured.

use super::limits::MAX_WASM_STACK;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result,
    WasmFeatures,
};

/// Core instances in one component. A Rust plugin has 3, one made by `componentize-py` about 30.
const MAX_CORE_INSTANCES: u32 = 64;

/// Linear memories of one component.
const MAX_MEMORIES: u32 = 4;

/// Tables of one component.
const MAX_TABLES: u32 = 16;

/// Elements of one table. The memory limit counts them too.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// How much of an instance's memory is reset by writing instead of by giving it back to the
/// kernel: the larger, the fewer page faults the next run takes.
const KEEP_RESIDENT: usize = 2 << 20;

/// The largest linear memory: all that 32 bits address. The memory limit of a run is usually lower.
const MAX_MEMORY: usize = 4 << 30;

/// What a module may be made of: what today's toolchains emit without being asked for more.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::COMPONENT_MODEL);

/// The engine of this machine.
pub(super) fn new(concurrency: usize) -> Result<Engine> {
    Engine::new(&config(concurrency))
}

/// An engine whose machine code runs on every machine of an architecture, named as Rust does. For one
/// other than this machine's the program must have been built with its compiler.
pub(super) fn portable(architecture: &str) -> Result<Engine> {
    let mut config = config(1);
    config.target(&format!("{architecture}-unknown-linux-gnu"))?;
    Engine::new(&config)
}

fn config(concurrency: usize) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK)
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(FEATURES, true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_backtrace_max_frames(None)
        // Nobody walks the guests' stacks: what that needs would be a third of an artifact.
        .generate_address_map(false)
        .native_unwind_info(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(concurrency)));
    config
}

fn pool(concurrency: usize) -> PoolingAllocationConfig {
    let components = u32::try_from(concurrency).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // Stacks are for guests that wait while others run on their thread, which none of ours does.
    pool.total_stacks(0)
        .total_component_instances(components)
        .max_component_instance_size(4 << 20)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_core_instance_size(4 << 20)
        .total_core_instances(components.saturating_mul(MAX_CORE_INSTANCES))
        .max_memories_per_component(MAX_MEMORIES)
        .max_memories_per_module(MAX_MEMORIES)
        .total_memories(components.saturating_mul(MAX_MEMORIES))
        .max_memory_size(MAX_MEMORY)
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(MAX_TABLES)
        .total_tables(components.saturating_mul(MAX_TABLES))
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        // Where the kernel can say which pages were written to, only those are reset.
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(64 << 10);
    pool
}
