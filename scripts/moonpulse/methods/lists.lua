--- The items of each checklist. Chipchase 2012: numbers and order of the checklist, items in our words. The
--- parameters of rTMS are those that papers on it have to give; Chipchase has no items for them. TMS-RAT:
--- only the items that could be read (docs/methods.md says where), under their own labels where these are
--- known.
local no_emg = "no EMG is recorded here"

-- number, section, item, how it is filled: "?" before a field's key; where the field is not known, what is
-- asked
-- for instead of the field's own words; why it cannot be known
local lists = {}

lists.chipchase = {
  title = "Chipchase 2012 (Clin Neurophysiol 123:1698-1704, doi:10.1016/j.clinph.2012.05.003)",
  note = "30 items; 26 to 28 are for paired pulses. Wording ours.",
  { "1", "participants", "age", "?age" }, { "2", "participants", "sex", "?sex" },
  { "3", "participants", "handedness", "?handedness" },
  { "4", "participants", "prescribed medication", "?medication" },
  { "5", "participants", "CNS-active drugs", "?cns_drugs" },
  { "6", "participants", "neurological and psychiatric disorders", "?disorders" },
  { "7", "participants", "medical conditions", "?medical_conditions" },
  { "8", "participants", "history of specific repetitive motor activity", "?motor_activity" },
  { "9", "methods", "position and contact of EMG electrodes", "?emg_electrodes" },
  { "10", "methods", "contraction of the target muscle", "?contraction" },
  { "11", "methods", "prior motor activity of the muscle", "?prior_activity" },
  { "12", "methods", "relaxation of other muscles", "?relaxation" },
  { "13", "methods", "coil type (size and geometry)", "?coil" },
  { "14", "methods", "coil orientation", "?coil_orientation" },
  { "15", "methods", "direction of the induced current", "?current_direction" },
  { "16", "methods", "coil location and stability, with or without navigation", "?coil_location" },
  { "17", "methods", "stimulator type", "?stimulator" },
  { "18", "methods", "stimulation intensity", "intensity" },
  { "19", "methods", "pulse shape", "?waveform" },
  { "20", "methods", "how the hotspot was found", "?hotspot" },
  { "21", "methods", "time between MEP trials", "interval" },
  { "22", "methods", "time between test days", "?test_days" },
  { "23", "methods", "attention or arousal during the test", "?attention" },
  { "24", "methods", "how the threshold was found", "threshold", ask = "threshold_method" },
  { "25", "methods", "number of MEPs", "stimuli" },
  { "26", "paired pulses", "intensity of the test pulse", "test" },
  { "27", "paired pulses", "intensity of the conditioning pulse", "conditioning" },
  { "28", "paired pulses", "inter-stimulus interval", "isi" },
  { "29", "analysis", "how MEP size was measured", "?mep_size", cannot = no_emg },
  { "30", "analysis", "size of the unconditioned MEP", "?unconditioned_mep", cannot = no_emg },
}

lists.rtms = {
  title = "Parameters of rTMS and theta burst",
  note = "Chipchase 2012 has no items for them; what papers on rTMS have to give.",
  { "R1", "pattern", "pulses in a train", "train_pulses" }, { "R2", "pattern", "rate", "rate" },
  { "R3", "pattern", "duration of a train", "train_duration" },
  { "R4", "pattern", "time between trains", "gap" }, { "R5", "pattern", "number of trains", "trains" },
  { "R6", "pattern", "pulses in all", "total" },
  { "R7", "intensity", "percent of which threshold", "intensity" }, { "R8", "coil", "coil", "?coil" },
  { "R9", "coil", "target", "?target" }, { "R10", "control", "sham", "sham", ask = "sham" },
}

lists["tms-rat"] = {
  title = "TMS-RAT, in part (Szekely et al., bioRxiv 10.64898/2026.02.18.706460)",
  note = "v1.0 has 71 items in 12 sections, and those of Chipchase are among them; only these seven could be "
    .. "read (docs/methods.md): take the authors' own sheet for the others. Wording ours.",
  { "G1", "single pulse", "trial-to-trial interval", "interval" },
  { "G2", "single pulse", "number of unconditioned test pulses, by condition", "singles" },
  { "G3", "single pulse", "evoked responses in raw units", "?unconditioned_mep", cannot = no_emg },
  { "a", "label not known", "screening for medication, prescribed or not", "?medication" },
  { "b", "label not known", "duration of an experimental session", "?session_duration" },
  { "c", "label not known", "intensity in %MSO or dI/dt", "mso", fill = "--rmt N, --amt N" },
  { "d", "label not known", "activity of the target muscles during TMS", "?contraction" },
}

return lists
