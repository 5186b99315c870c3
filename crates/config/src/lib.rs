//! zoo.cfg and JVM flags, merged once into one typed value.
