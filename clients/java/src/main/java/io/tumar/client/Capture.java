package io.tumar.client;

/**
 * What stood before the camera or lay on the sensor.
 *
 * @param model the extractor, by its id
 * @param template what it made; the caller's to close
 */
public record Capture(String model, Template template) {}
