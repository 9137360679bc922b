//! Reader of folders of images, one folder for each class.
