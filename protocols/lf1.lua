-- Low-frequency rTMS: one long train of single pulses at about 1 Hz.
local mp = require "moonpulse"

return mp.protocol {
  id = "lf1_m1_600",
  name = "1 Hz M1 (BIDS example)",
  family = "motor cortex rTMS",
  aim = "to lower the excitability of the motor cortex",
  cite = "NIBS-BIDS intervention-parameters README",
  target = "M1",
  dose = "90-110 %RMT",
  session = "single session",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "10 min",
  evidence = "S",
  params = {
    pulses = { default = 600, min = 1, max = 5000, help = "number of pulses" },
    hz = { default = 1.0, min = 0.1, max = 1, help = "pulse rate" },
    intensity = { default = mp.rmt(90), min = 1, max = 130, help = "percent of the threshold" },
  },
  plan = function(p)
    return mp.train { pulses = p.pulses, hz = p.hz, intensity = p.intensity }
  end,
  variants = {
    {
      id = "lf09_chen1997",
      name = "0.9 Hz motor cortex (LTD-like)",
      aim = "to lower the excitability of the motor cortex, as in long-term depression",
      cite = "Chen R et al. 1997 Neurology 48:1398-1403",
      doi = "10.1212/WNL.48.5.1398",
      target = "M1",
      dose = "115 %RMT",
      reported = "15 min",
      evidence = "S; intensity M-H",
      note = "A spread of excitation occurred in one subject.",
      defaults = { pulses = 810, hz = 0.9, intensity = mp.rmt(115) },
    },
    {
      id = "lf1_right_dlpfc",
      name = "1 Hz right DLPFC",
      family = "depression rTMS",
      aim = "to treat depression",
      cite = "no paper with these numbers found: 1200 pulses at F4 for 2 to 6 weeks are common clinical "
        .. "practice",
      target = "right DLPFC (F4)",
      dose = "110-120 %RMT",
      session = "5 d/wk, 2-6 wk",
      sessions = { per_day = 1, days = { 10, 30 }, total = { 10, 30 } },
      reported = "20 min (variants: 120, 360, 900, 1800 pulses)",
      evidence = "M-M",
      unconfirmed = "the number of pulses, the intensity and the sessions were written down from memory",
      note = "1200 s at 120 % exceed the 360 s of the 2009 table. Klein 1999 (Arch Gen Psychiatry "
        .. "56:315-320) is another protocol: 2 x 60 s, 10 sessions, a circular coil.",
      defaults = { pulses = 1200, intensity = mp.rmt(110) },
    },
    {
      id = "lf1_tinnitus",
      name = "1 Hz temporal, tinnitus",
      family = "other rTMS",
      aim = "to treat tinnitus",
      cite = "Folmer RL et al. 2015 JAMA Otolaryngol Head Neck Surg 141:716-722",
      doi = "10.1001/jamaoto.2015.1219",
      target = "auditory cortex",
      dose = "110 %RMT",
      session = "10 consecutive workdays",
      sessions = { per_day = 1, days = 10, total = 10 },
      reported = "33.3 min",
      evidence = "S; the paper M-H",
      defaults = { pulses = 2000, intensity = mp.rmt(110) },
    },
  },
}
