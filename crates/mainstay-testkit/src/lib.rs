//! Model nodes, load and fixtures for the tests; never a dependency of the product.
