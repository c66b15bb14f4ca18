//! Text in columns, for people.

/// A head line and a line for each row. A column is as wide as its widest cell. It is aligned to the right if each of
/// its cells begins with a digit.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().map(|r| r[column].chars().count()).chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let numeric =
        |column: usize| !rows.is_empty() && rows.iter().all(|r| r[column].starts_with(|c: char| c.is_ascii_digit()));
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if numeric(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(head.to_vec());
    let body = rows.iter().map(|r| line(r.iter().map(String::as_str).collect()));
    [head].into_iter().chain(body).collect::<Vec<_>>().join("\n")
}

/// Names and values in two columns under a headline.
pub(super) fn section(title: &str, rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, value)| format!("  {name:<width$}  {value}"));
    [title.to_owned()].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}
