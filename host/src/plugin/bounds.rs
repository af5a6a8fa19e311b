//! What a module may have before it is compiled. Compiling takes time and memory in proportion to
//! the code, and more than that for a single large function, and it cannot be interrupted.

use super::PluginError;
use wasmparser::{CompositeInnerType, FunctionBody, Operator, Parser, Payload, TypeSectionReader};

/// The largest function, in bytes. The largest of CPython has 430 KB, of a JavaScript engine 170 KB.
const MAX_FUNCTION_BYTES: usize = 1 << 20;

/// Code of all functions together, in bytes. A JavaScript engine has 9 MB, CPython 7 MB.
const MAX_CODE_BYTES: usize = 32 << 20;

/// Functions of all core modules together. CPython and a JavaScript engine have 13,000 each.
const MAX_FUNCTIONS: usize = 100_000;

/// Blocks within one another in a function: a `switch` has one a case. The time to compile them
/// grows with the square.
const MAX_BLOCKS: usize = 10_000;

/// Targets of all tables of branches in a function, times the depth of its blocks. The time to compile
/// them grows with that; a `switch` of 10,000 cases has half of it.
const MAX_BRANCHES: usize = 200_000_000;

/// Imports and exports of all core modules and components together: the process keeps each name for as
/// long as the plugin is loaded, beside its machine code. CPython has a few hundred.
const MAX_NAMES: usize = 20_000;

/// Parameters, or results, of one function. Every call and every block passes all of them on, so that a
/// thousand calls of a thousand parameters take a gigabyte to compile. Compilers of other languages
/// pass more than a few by address.
const MAX_ARITY: usize = 128;

/// Function types of one core module. CPython has 500, a JavaScript engine 300.
const MAX_TYPES: usize = 20_000;

/// Core modules and components within one another.
const MAX_NESTED: usize = 1000;

/// Refuses a module that has more than that.
pub(super) fn check(module: &[u8]) -> Result<(), PluginError> {
    if !Parser::is_component(module) && !Parser::is_core_wasm(module) {
        return Err(PluginError::invalid("it is not a WebAssembly module"));
    }
    let (mut code, mut functions, mut nested) = (0_usize, 0_usize, 0_usize);
    let mut names = 0_usize;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(PluginError::malformed)? {
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                let bytes = range.end - range.start;
                at_most("bytes in one function", bytes, MAX_FUNCTION_BYTES)?;
                code = code.saturating_add(bytes);
                at_most("bytes of code", code, MAX_CODE_BYTES)?;
                functions += 1;
                at_most("functions", functions, MAX_FUNCTIONS)?;
                let Branching { depth, targets } = branching(&body)?;
                at_most("blocks within one another", depth, MAX_BLOCKS)?;
                let branches = targets.saturating_mul(depth);
                at_most("branches of tables times blocks", branches, MAX_BRANCHES)?;
            }
            Payload::TypeSection(types) => check_types(types)?,
            Payload::ImportSection(section) => add(&mut names, section.count())?,
            Payload::ExportSection(section) => add(&mut names, section.count())?,
            Payload::ComponentImportSection(section) => add(&mut names, section.count())?,
            Payload::ComponentExportSection(section) => add(&mut names, section.count())?,
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                nested += 1;
                at_most("modules and components inside", nested, MAX_NESTED)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_types(types: TypeSectionReader<'_>) -> Result<(), PluginError> {
    let mut number = 0;
    for group in types {
        for kind in group.map_err(PluginError::malformed)?.types() {
            number += 1;
            at_most("function types", number, MAX_TYPES)?;
            if let CompositeInnerType::Func(function) = &kind.composite_type.inner {
                let arity = function.params().len().max(function.results().len());
                at_most("parameters or results of one function", arity, MAX_ARITY)?;
            }
        }
    }
    Ok(())
}

fn add(names: &mut usize, more: u32) -> Result<(), PluginError> {
    *names = names.saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
    at_most("imports and exports", *names, MAX_NAMES)
}

/// What makes the branches of a function slow to compile.
struct Branching {
    /// How deep its blocks lie within one another.
    depth: usize,
    /// Targets of all its tables of branches.
    targets: usize,
}

fn branching(body: &FunctionBody<'_>) -> Result<Branching, PluginError> {
    let (mut depth, mut deepest, mut targets) = (0_usize, 0_usize, 0_usize);
    for operator in body
        .get_operators_reader()
        .map_err(PluginError::malformed)?
    {
        match operator.map_err(PluginError::malformed)? {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            Operator::End => depth = depth.saturating_sub(1),
            Operator::BrTable { targets: table } => {
                let number = usize::try_from(table.len()).unwrap_or(usize::MAX);
                targets = targets.saturating_add(number);
            }
            _ => {}
        }
    }
    Ok(Branching {
        depth: deepest,
        targets,
    })
}

fn at_most(what: &str, number: usize, limit: usize) -> Result<(), PluginError> {
    if number > limit {
        return Err(PluginError::invalid(format!(
            "it has more {what} than the {limit} that are compiled"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        check(&wat::parse_str(text).unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_small_module_passes() {
        assert!(check(&wat::parse_str("(module (func))").unwrap()).is_ok());
    }

    #[test]
    fn a_function_of_megabytes_is_refused() {
        let text = format!("(module (func {}))", "nop ".repeat(MAX_FUNCTION_BYTES));
        assert!(refusal(&text).contains("more bytes in one function than the 1048576"));
    }

    #[test]
    fn blocks_deep_within_one_another_are_refused() {
        let blocks = |depth| format!("{}{}", "block ".repeat(depth), "end ".repeat(depth));
        let module = |depth| format!("(module (func {}))", blocks(depth));
        assert!(check(&wat::parse_str(module(MAX_BLOCKS)).unwrap()).is_ok());
        assert!(refusal(&module(MAX_BLOCKS + 1)).contains("blocks within one another"));
    }

    #[test]
    fn a_switch_of_many_cases_is_compiled_and_fifty_of_them_are_not() {
        let module = |depth: usize, tables: usize| {
            let targets: String = (0..depth).map(|target| format!("{target} ")).collect();
            let table = format!("local.get 0 br_table {targets}");
            let blocks = ("block ".repeat(depth), "end ".repeat(depth));
            let tables = table.repeat(tables);
            format!(
                "(module (func (param i32) {}{tables}{}))",
                blocks.0, blocks.1
            )
        };
        let one = wat::parse_str(module(MAX_BLOCKS - 1, 1)).unwrap();
        assert!(check(&one).is_ok());
        let many = refusal(&module(MAX_BLOCKS - 1, 50));
        assert!(
            many.contains("more branches of tables times blocks"),
            "{many}"
        );
    }

    #[test]
    fn more_names_than_are_kept_are_refused() {
        let exports = |number: usize| {
            let exports: String = (0..number)
                .map(|name| format!("(export \"{name}\" (func 0))"))
                .collect();
            format!("(module (func) {exports})")
        };
        assert!(check(&wat::parse_str(exports(MAX_NAMES)).unwrap()).is_ok());
        let more = refusal(&exports(MAX_NAMES + 1));
        assert!(
            more.contains("more imports and exports than the 20000"),
            "{more}"
        );
    }

    #[test]
    fn functions_of_more_parameters_or_results_than_are_compiled_are_refused() {
        let function = |what: &str, number| {
            format!("(module (type (func ({what} {}))))", "i32 ".repeat(number))
        };
        for what in ["param", "result"] {
            let fits = wat::parse_str(function(what, MAX_ARITY)).unwrap();
            assert!(check(&fits).is_ok());
            let more = refusal(&function(what, MAX_ARITY + 1));
            assert!(
                more.contains("more parameters or results of one function than the 128"),
                "{more}"
            );
        }
    }

    #[test]
    fn more_functions_or_nested_modules_than_are_compiled_are_refused() {
        let functions = format!("(module {})", "(func)".repeat(MAX_FUNCTIONS + 1));
        assert!(refusal(&functions).contains("more functions than the 100000"));
        let nested = format!("(component {})", "(core module)".repeat(MAX_NESTED + 1));
        assert!(refusal(&nested).contains("modules and components inside"));
    }
}
