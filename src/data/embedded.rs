use super::*;
pub fn mnist() -> Result<DataSet> {
    todo!()
}
pub fn iris() -> Result<DataSet> {
    todo!()
}
