--- What counts as a response of a muscle, and where intensities end, for all methods that find a threshold.
return {
  --- Volts, peak to peak, from which on an MEP is a response (Rossini PM et al. 1994 Electroencephalogr Clin
  --- Neurophysiol 91:79-92). The simulated muscle's is MP_RESPONSE_VOLTS (engine/muscle.h).
  criterion = 50e-6,
  --- %MSO: so far simulated subjects are asked.
  highest = 130,
}
