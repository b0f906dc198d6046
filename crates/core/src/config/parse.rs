//! From the text of a configuration to a [`Config`]: the document, the bucket, and each feed.
//!
//! Never reads the text from anywhere, and never gives a [`Config`] while anything in the text is wrong.

use toml::de::DeTable;

use super::fields::{LISTER_FIELDS, ROOT_FIELDS};
use super::problem::Report;
use super::section::Section;
use super::{Config, ConfigError, DestinationKind, Lister, MAX_PASSES_PER_MINUTE, bucket, check, feed};

impl Config {
    /// Reads and checks a configuration. Errors call the text `origin`: a path, an S3 URI, or `SLUICE_CONFIG`. `kinds`
    /// are the destinations that feeds may have.
    ///
    /// # Errors
    /// When the text is not TOML, or with everything that is wrong in it.
    ///
    /// ```
    /// use sluice_core::config::problem::Report;
    /// use sluice_core::config::section::Section;
    /// use sluice_core::config::target::Draft;
    /// use sluice_core::config::{Config, DestinationKind, FeedName, FileFormat, Reading, Target};
    ///
    /// /// `[feed.print]`: takes CSV, and has no fields.
    /// #[derive(Debug)]
    /// struct Print;
    ///
    /// impl DestinationKind for Print {
    ///     fn name(&self) -> &'static str {
    ///         "print"
    ///     }
    ///
    ///     fn fields(&self) -> &'static [&'static str] {
    ///         &[]
    ///     }
    ///
    ///     fn read(&self, section: &Section<'_>, _: Option<&FeedName>, report: &mut Report<'_>) -> Draft {
    ///         section.only(self.fields(), &[], report);
    ///         let target = Target::new(self.name(), Reading::of(FileFormat::Csv), ());
    ///         Draft { target: Some(target), ..Draft::default() }
    ///     }
    /// }
    ///
    /// let text = r#"
    /// [bucket]
    /// name = "acme-landing"
    /// [[feed]]
    /// name = "flights"
    /// prefix = "flights/"
    /// [feed.print]
    /// "#;
    /// let config = Config::parse(text, "sluice.toml", &[&Print])?;
    /// assert_eq!(config.incoming(&config.feeds[0]).as_str(), "incoming/flights/");
    ///
    /// let error = Config::parse(&text.replace("prefix", "prefiks"), "sluice.toml", &[&Print]).unwrap_err();
    /// assert!(error.to_string().contains("feed[flights].prefiks: unknown field; did you mean prefix?"));
    /// # Ok::<(), sluice_core::config::ConfigError>(())
    /// ```
    pub fn parse(text: &str, origin: &str, kinds: &[&dyn DestinationKind]) -> Result<Self, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| ConfigError::syntax(text, origin, error))?;
        let mut report = Report::new(text);
        let root = Section::root(document.get_ref());
        root.only(ROOT_FIELDS, &[], &mut report);

        let bucket = bucket::read(&root, &mut report);
        let lister = read_lister(&root, &mut report);
        let drafts = read_feeds(&root, kinds, &mut report);
        check::bucket(&bucket, &mut report);
        check::feeds(&bucket, &drafts, &mut report);
        report.finish(origin, assemble(bucket, lister, drafts))
    }
}

fn read_lister(root: &Section<'_>, report: &mut Report<'_>) -> Lister {
    let mut lister = Lister { passes_per_minute: 1 };
    let Some(section) = root.section("lister", report) else { return lister };
    section.only(LISTER_FIELDS, &[], report);
    if let Some(passes) = section.count("passes_per_minute", 1..=MAX_PASSES_PER_MINUTE, report) {
        lister.passes_per_minute = passes.value;
    }
    lister
}

fn read_feeds(root: &Section<'_>, kinds: &[&dyn DestinationKind], report: &mut Report<'_>) -> Vec<feed::Draft> {
    let feeds = root.sections("feed", report);
    if root.value("feed").is_none_or(|entry| entry.value.as_array().is_some_and(|feeds| feeds.is_empty())) {
        let headers = feed::headers(kinds);
        let remedy = format!("write [[feed]] with name, prefix and {headers} for each table to load");
        report.add(&root.spot_at("feed"), "there is no feed", remedy);
    }
    feeds.iter().map(|section| feed::read(section, kinds, report)).collect()
}

/// The configuration, where every part of it could be read.
fn assemble(bucket: bucket::Draft, lister: Lister, drafts: Vec<feed::Draft>) -> Option<Config> {
    let bucket = bucket.finish()?;
    let feeds = drafts.into_iter().map(|draft| draft.feed).collect::<Option<_>>()?;
    Some(Config { bucket, lister, feeds })
}
