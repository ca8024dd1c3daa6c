//! Documents of offices: zip files of XML (xlsx, docx, pptx, odt, hwpx), HWP, PDF.

pub(super) mod hwp;
pub(super) mod pdf;
pub(super) mod words;
pub(super) mod xml;
pub(super) mod zip;
