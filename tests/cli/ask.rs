//! can-i, who-can, explain, matrix
