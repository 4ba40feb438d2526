//! The table as it is written to AWS: ours, over what others look after.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_glue::types::{
    Column as SdkColumn, IcebergInput, MetadataOperation, OpenTableFormatInput, SerDeInfo,
    StorageDescriptor, Table, TableInput,
};

use crate::aws::During;
use crate::cloud::Fault;

use super::super::glue::{foreign, of_tag, tag_of};
use super::format::Format;
use super::{Column, GlueTable, OpenTableFormat};

impl GlueTable {
    pub fn input(
        &self,
        live: Option<&Table>,
        operation: &'static str,
    ) -> Result<TableInput, Fault> {
        let columns = |ours: &[Column], theirs: &[SdkColumn]| {
            let column = |column| sdk_column(column, theirs, operation);
            ours.iter().map(column).collect::<Result<Vec<_>, _>>()
        };
        let mut storage = live.and_then(|table| table.storage_descriptor.clone());
        let storage = storage.get_or_insert_with(|| StorageDescriptor::builder().build());
        storage.columns = Some(columns(&self.columns, storage.columns())?);
        storage.location = written(&self.location);
        let iceberg = self.open_table_format == OpenTableFormat::Iceberg;
        if !iceberg {
            let classes = self.format.map(Format::classes);
            let input = classes.as_ref().map(|classes| classes.input.to_owned());
            let output = classes.as_ref().map(|classes| classes.output.to_owned());
            let theirs = storage.input_format.take();
            storage.input_format = self.input_format.clone().or(input).or(theirs);
            let theirs = storage.output_format.take();
            storage.output_format = self.output_format.clone().or(output).or(theirs);
            storage.serde_info = self.serde_info(storage.serde_info.take());
        }
        let keys = live.map(Table::partition_keys).unwrap_or_default();
        let mut input = TableInput::builder()
            .name(self.name.as_str())
            .set_description(written(&self.description))
            .set_storage_descriptor(Some(storage.clone()))
            .set_partition_keys(Some(columns(&self.partition_keys, keys)?))
            .table_type(&self.table_type)
            .set_parameters(Some(self.all_parameters(live)));
        if let Some(live) = live {
            input = input
                .set_owner(live.owner.clone())
                .set_last_access_time(live.last_access_time)
                .set_last_analyzed_time(live.last_analyzed_time)
                .retention(live.retention)
                .set_view_original_text(live.view_original_text.clone())
                .set_view_expanded_text(live.view_expanded_text.clone())
                .set_target_table(live.target_table.clone());
        }
        input.build().during(operation)
    }

    /// Only ever told when the table is made.
    pub fn open_table_format_input(
        &self,
        operation: &'static str,
    ) -> Result<Option<OpenTableFormatInput>, Fault> {
        if self.open_table_format == OpenTableFormat::None {
            return Ok(None);
        }
        let iceberg = IcebergInput::builder().metadata_operation(MetadataOperation::Create);
        let iceberg = iceberg.version("2").build().during(operation)?;
        Ok(Some(OpenTableFormatInput::builder().iceberg_input(iceberg).build()))
    }

    /// The blueprint's, the tags, and what others look after. Without the pointer to its metadata
    /// an Iceberg table is lost, so of such a table everything is kept.
    fn all_parameters(&self, live: Option<&Table>) -> HashMap<String, String> {
        let iceberg = self.open_table_format == OpenTableFormat::Iceberg;
        let live = live.and_then(Table::parameters);
        let mut all: HashMap<_, _> = live
            .into_iter()
            .flatten()
            .filter(|(key, _)| tag_of(key).is_none() && (iceberg || foreign(key)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if let Some(format) = self.format {
            all.insert("classification".to_owned(), format.classification().to_owned());
        }
        all.extend(self.parameters.clone());
        all.extend(self.tags.iter().map(|(key, value)| (of_tag(key), value.clone())));
        all
    }

    fn serde_info(&self, live: Option<SerDeInfo>) -> Option<SerDeInfo> {
        let defaults = self.format.map(Format::parameters);
        let told = self.serde.as_ref().and_then(|serde| serde.library.clone());
        let library = told.or(self.format.map(|format| format.classes().library.to_owned()));
        let kept = live
            .filter(|live| library.is_none() || live.serialization_library() == library.as_deref());
        let library =
            library.or_else(|| kept.as_ref().and_then(|kept| kept.serialization_library.clone()));
        let parameters = match (&self.serde, kept.as_ref().and_then(SerDeInfo::parameters)) {
            (Some(serde), _) => {
                let mut all = defaults.unwrap_or_default();
                all.extend(serde.parameters.clone());
                all
            }
            (None, Some(kept)) => kept.clone().into_iter().collect::<BTreeMap<_, _>>(),
            (None, None) => defaults.unwrap_or_default(),
        };
        library.as_ref()?;
        let name = kept.and_then(|kept| kept.name);
        let serde = SerDeInfo::builder().set_name(name).set_serialization_library(library);
        Some(serde.set_parameters(Some(parameters.into_iter().collect())).build())
    }
}

/// A column keeps the parameters that it has.
fn sdk_column(
    column: &Column,
    live: &[SdkColumn],
    operation: &'static str,
) -> Result<SdkColumn, Fault> {
    let same = live.iter().find(|live| live.name().eq_ignore_ascii_case(&column.name));
    SdkColumn::builder()
        .name(&column.name)
        .r#type(&column.data_type)
        .set_comment(written(&column.comment))
        .set_parameters(same.and_then(|live| live.parameters.clone()))
        .build()
        .during(operation)
}

fn written(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
