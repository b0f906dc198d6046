//! What is in a file: where a local warehouse is easily kinder than Redshift, or less kind.
//!
//! One test for each kind of difference, each with several inputs.

use super::support::{Warehouse, warehouse};

const FAILED: &str = "ERROR: Load into table 't' failed.  Check 'sys_load_error_detail' system table for details.";

/// A table `t` and a file `f`, in the place of those that were there.
async fn prepare(warehouse: &Warehouse, columns: &str, file: &[u8]) {
    warehouse.run("DROP TABLE IF EXISTS t").await;
    warehouse.run(&format!("CREATE TABLE t ({columns})")).await;
    warehouse.bucket.put("f", file.to_vec());
}

fn copy(options: &str) -> String {
    format!("COPY t FROM 's3://b/f' IAM_ROLE default {options}")
}

/// Loads the file and answers with what the table holds.
async fn loaded(warehouse: &Warehouse, columns: &str, options: &str, file: &[u8]) -> Vec<String> {
    prepare(warehouse, columns, file).await;
    warehouse.run(&copy(options)).await;
    warehouse.rows("SELECT * FROM t ORDER BY 1").await
}

/// Does not load the file, and answers with what is on record about it: line, column, code, text.
async fn refused(warehouse: &Warehouse, columns: &str, options: &str, file: &[u8]) -> Vec<String> {
    prepare(warehouse, columns, file).await;
    assert_eq!(warehouse.error(&copy(options)).await, FAILED, "{options}: {}", String::from_utf8_lossy(file));
    assert_eq!(warehouse.rows("SELECT count(*) FROM t").await, ["0"]);
    let sql = "SELECT line_number, trim(column_name), error_code, trim(error_message) FROM sys_load_error_detail \
               WHERE query_id = (SELECT max(query_id) FROM sys_load_history) ORDER BY line_number";
    warehouse.rows(sql).await
}

#[tokio::test]
async fn an_array_where_objects_are_expected_is_a_load_error() {
    let warehouse = warehouse().await;
    let text = "Invalid JSONPath format: Member is not an object.";
    for (option, file) in [
        ("auto", r#"[{"id":1,"name":"a"},{"id":2,"name":"b"}]"#),
        ("auto", "[]"),
        ("auto ignorecase", r#"[{"ID":1}]"#),
        ("auto", "[1, \"a\"]\n[2, \"b\"]"),
    ] {
        let errors =
            refused(&warehouse, "id int, name varchar(50)", &format!("JSON '{option}'"), file.as_bytes()).await;
        assert_eq!(errors, [format!("1|id|1216|{text}")], "{file}");
    }
}

#[tokio::test]
async fn arrays_are_rows_of_their_elements_with_paths() {
    let warehouse = warehouse().await;
    let (columns, options) = ("id int, name varchar(50)", "JSON 's3://b/paths'");
    warehouse.bucket.put("paths", r#"{"jsonpaths": ["$[0]", "$[1]"]}"#);
    let rows = loaded(&warehouse, columns, options, b"[1, \"a\"]\n[2, null]\n").await;
    assert_eq!(rows, ["1|a", "2|-"]);
    let errors = refused(&warehouse, columns, options, b"[1]").await;
    assert_eq!(errors, ["1|name|1216|Invalid JSONPath format: Not an array or index out of range."]);
    warehouse.bucket.put("paths", r#"{"other": ["$[0]"]}"#);
    let rows = loaded(&warehouse, columns, options, br#"{"id": 3, "name": "by name"}"#).await;
    assert_eq!(rows, ["3|by name"], "another name for the paths is as good as none");
}

#[tokio::test]
async fn a_document_as_a_whole_goes_into_one_super_column() {
    let warehouse = warehouse().await;
    prepare(&warehouse, "doc super", b"{\"a\": [1, 2]}\n[ {\"b\": \"\\u0000\"} ]\n").await;
    warehouse.run(&copy("JSON 'noshred'")).await;
    assert_eq!(warehouse.rows("SELECT doc FROM t").await, [r#"{"a":[1,2]}"#, r#"[{"b":"\u0000"}]"#]);
    prepare(&warehouse, "doc super, n int", b"{}").await;
    let error = warehouse.error(&copy("JSON 'noshred'")).await;
    assert!(error.starts_with("ERROR: stand-in: JSON 'noshred' loads one SUPER column"), "{error}");
}

#[tokio::test]
async fn a_nul_ends_a_string_of_json_and_must_not_begin_it() {
    let warehouse = warehouse().await;
    for (file, expected) in [
        (r#"{"s":"hello\u0000 world"}"#, "hello"),
        (r#"{"s":"a\u0000\u0000"}"#, "a"),
        (r#"{"s":"\\u0000"}"#, r"\u0000"),
    ] {
        assert_eq!(loaded(&warehouse, "s varchar(50)", "JSON 'auto'", file.as_bytes()).await, [expected]);
    }
    let file = b"{\"id\":1,\"s\":\"ok\"}\n{\"id\":2,\"s\":\"\\u0000x\"}\n";
    let errors = refused(&warehouse, "id int, s varchar(50)", "JSON 'auto'", file).await;
    assert_eq!(errors, ["2|s|1218|Invalid null byte - field longer than 1 byte"]);
    assert_eq!(loaded(&warehouse, "id int, s varchar(50)", "JSON 'auto' MAXERROR 2", file).await, ["1|ok"]);
}

#[tokio::test]
async fn a_super_stays_as_true_as_it_came() {
    let warehouse = warehouse().await;
    for (options, file, expected) in [
        ("JSON 'auto'", r#"{"doc":{"s":"a\u0000b"}}"#, r#"{"s":"a\u0000b"}"#),
        ("CSV", r#""{""s"": ""a\u0000b""}""#, r#"{"s":"a\u0000b"}"#),
        ("JSON 'auto'", r#"{"doc":"\u0000"}"#, r#""\u0000""#),
        ("JSON 'auto'", r#"{"doc":["\ud800", 1e400, 0.10]}"#, r#"["\ud800",1e400,0.10]"#),
    ] {
        prepare(&warehouse, "doc super", file.as_bytes()).await;
        warehouse.run(&copy(options)).await;
        let id = warehouse.run("SELECT doc FROM t").await["Id"].clone();
        let result = warehouse.ok("GetStatementResult", serde_json::json!({ "Id": id })).await;
        assert_eq!(result["Records"][0][0]["stringValue"], expected);
        assert_eq!(result["ColumnMetadata"][0]["typeName"], "super");
    }
}

#[tokio::test]
async fn numbers_out_of_range_are_load_errors_and_spoil_one_line() {
    let warehouse = warehouse().await;
    for (columns, file, error) in [
        ("r real", "0.5\n1e-50\n", "2|r|1204|Underflow for type Float"),
        ("r real", "0.5\n-3.5e38\n", "2|r|1204|Overflow for type Float"),
        ("r float8", "0.5\n1e-320\n", "2|r|1204|Underflow for type Double"),
        ("r double precision", "0.5\n1e400\n", "2|r|1204|Overflow for type Double"),
        ("r decimal(19,0)", "1\n9223372036854775808\n", "2|r|1222|Overflow for NUMERIC(19,0)"),
        ("r decimal", "1\n1234567890123456789\n", "2|r|1222|Overflow for NUMERIC(18,0)"),
    ] {
        assert_eq!(refused(&warehouse, columns, "CSV", file.as_bytes()).await, [error]);
        assert_eq!(loaded(&warehouse, columns, "CSV MAXERROR 2", file.as_bytes()).await.len(), 1);
    }
}

#[tokio::test]
async fn both_ends_of_the_floating_point_types_load() {
    let warehouse = warehouse().await;
    let file = "1.1754944e-38,2.2250738585072014e-308\n-3.4028235e38,-1.7976931348623157e308\n0e-99,0e-999\n";
    let expected = ["-3.4028235e+38|-1.7976931348623157e+308", "0|0", "1.1754944e-38|2.2250738585072014e-308"];
    assert_eq!(loaded(&warehouse, "r real, d float8", "CSV", file.as_bytes()).await, expected);
}

#[tokio::test]
async fn a_row_has_a_longest_length() {
    const LONGEST: usize = 4 * 1024 * 1024;
    let warehouse = warehouse().await;
    let too_long = format!("1||1204|Input row exceeds the max size of {LONGEST} bytes");
    let row = format!("{}\n", "x".repeat(LONGEST));
    let rows = loaded(&warehouse, "a varchar(max)", "CSV TRUNCATECOLUMNS", row.as_bytes()).await;
    assert_eq!(rows[0].len(), 65_535);
    for (options, file) in [
        ("CSV TRUNCATECOLUMNS", format!("x{row}")),
        ("JSON 'auto'", format!("{{\"a\":\"{row}\"}}").replace('\n', "")),
        ("JSON 'auto'", format!("{{\"b\":\"{}\"}}", "|".repeat(LONGEST / 2))),
    ] {
        assert_eq!(refused(&warehouse, "a varchar(max)", options, file.as_bytes()).await, [too_long.as_str()]);
    }
}

#[tokio::test]
async fn encodings_are_made_utf_8() {
    let warehouse = warehouse().await;
    let cases: [(&str, &[u8], &[&str]); 6] = [
        ("CSV ENCODING ISO88591", b"1,caf\xe9\n2,\x80\n", &["1|café", "2|\u{80}"]),
        ("CSV ENCODING UTF16", b"\xff\xfe1\0,\0\xe9\0\n\0", &["1|é"]),
        ("ENCODING UTF16LE", b"1\0|\0\xe9\0\n\0", &["1|é"]),
        ("ENCODING AS UTF16BE DELIMITER ','", b"\x001\x00,\x20\xac\x00\n", &["1|€"]),
        ("JSON 'auto' ENCODING ISO88591", b"{\"id\": 1, \"s\": \"\xe9\\u00e9\"}", &["1|éé"]),
        ("CSV ENCODING UTF8", "1,é\n".as_bytes(), &["1|é"]),
    ];
    for (options, file, expected) in cases {
        assert_eq!(loaded(&warehouse, "id int, s varchar(50)", options, file).await, expected, "{options}");
    }
    let cases: [(&str, &[u8]); 3] =
        [("CSV", b"\xff\xfe1\0,\0a\0"), ("CSV ENCODING UTF16", b"1,a\n"), ("CSV ENCODING UTF16BE", b"\x001\0,\0a\n")];
    for (options, file) in cases {
        let errors = refused(&warehouse, "id int, s varchar(50)", options, file).await;
        assert_eq!(errors, ["1||1221|Encoding of the file is not the same as that specified in the COPY command"]);
    }
}

#[tokio::test]
async fn null_strings_and_characters_that_are_none() {
    let warehouse = warehouse().await;
    let cases: [(&str, &[u8], &[&str]); 8] = [
        (r"NULL AS '\0'", b"1|\0\n", &["1|-"]),
        (r"NULL AS '\\000'", b"1|\0\n", &["1|-"]),
        (r"NULL AS '\\N'", b"1|\\N\n", &["1|-"]),
        ("NULL '-'", b"1|-\n2|--\n", &["1|-", "2|--"]),
        ("ESCAPE", b"1|ab\0cd\n", &["1|ab"]),
        ("ACCEPTINVCHARS", b"1|a\xef\xbf\xbfb\xff\n", &["1|a???b?"]),
        ("ACCEPTINVCHARS AS '^'", b"1|\xef\xb7\x90\xed\xa0\x80\n", &["1|^^^^^^"]),
        ("", b"1|\xef\xbf\xbf\n", &["1|\u{ffff}"]),
    ];
    for (options, file, expected) in cases {
        assert_eq!(loaded(&warehouse, "id int, s varchar(50)", options, file).await, expected, "{options}");
    }
    let errors = refused(&warehouse, "id int, s varchar(50)", r"NULL AS '\0'", b"1|a\0\n").await;
    assert_eq!(errors, ["1|s|1218|Invalid null byte - field longer than 1 byte"]);
    let errors = refused(&warehouse, "id int, s varchar(50)", "", b"1|a\0b\n").await;
    assert_eq!(errors, ["1|s|1216|Missing newline: Unexpected character 0x0 found in the field"]);
}

#[tokio::test]
async fn fixed_widths_in_characters() {
    let warehouse = warehouse().await;
    let columns = "id int, city varchar(20), country char(2), seats int";
    let options = "FIXEDWIDTH 'id:3,city:10,country:2,seats:6' TRIMBLANKS";
    let file = "1  Zürich    CH0\n2  Bern      CH68756\n";
    assert_eq!(loaded(&warehouse, columns, options, file.as_bytes()).await, ["1|Zürich|CH|0", "2|Bern|CH|68756"]);
    let file = "1  Zürich    CH12345678\n2\n";
    let errors = refused(&warehouse, columns, &format!("{options} MAXERROR 2"), file.as_bytes()).await;
    assert_eq!(errors, ["1|seats|1202|Extra column(s) found", "2|id|1201|Delimiter not found"]);
    let error = warehouse.error(&copy("FIXEDWIDTH 'a:1'")).await;
    assert_eq!(error, "ERROR: stand-in: FIXEDWIDTH has 1 widths for 4 columns");
}
