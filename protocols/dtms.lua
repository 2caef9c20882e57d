-- Deep TMS with the H coils: 2 or 3 s trains, one every 22 or 18 s.
local mp = require "moonpulse"

return mp.protocol {
  id = "dtms_h1",
  name = "Deep TMS H1 (depression)",
  family = "deep TMS",
  aim = "to treat depression",
  cite = "Levkovitz Y et al. 2015 World Psychiatry 14:64-73",
  doi = "10.1002/wps.20199",
  coil = "H1",
  target = "left DLPFC (H1 coil)",
  dose = "120 %MT",
  session = "5 d/wk x 4 wk then 2/wk x 12 wk",
  sessions = { per_day = 1, days = 44, total = 44 },
  reported = "20.2 min (55 x 22 s)",
  evidence = "S; 2 s on, 20 s off, 55 trains M-H",
  unconfirmed = "the train structure (2 s on, 20 s off, 55 trains) and 120 % were not in what was read "
    .. "of the paper",
  note = "2 s at 18 Hz and 120 % are over the 20 Hz cell of the 2009 table (1.0 s). 1/18 s is no "
    .. "whole number of microseconds; the onsets are exact fractions, rounded once.",
  params = {
    pulses = { default = 36, min = 1, max = 100, help = "pulses of a train" },
    hz = { default = 18.0, min = 1, max = 25, help = "pulse rate" },
    trains = { default = 55, min = 1, max = 100, help = "number of trains" },
    every = { default = 22.0, min = 1, max = 120, help = "seconds from a train's onset to the next" },
    intensity = { default = mp.rmt(120), min = 1, max = 130, help = "percent of the threshold" },
  },
  plan = function(p)
    local train = mp.train { pulses = p.pulses, hz = p.hz, intensity = p.intensity }
    return train:times(p.trains, { every = p.every })
  end,
  variants = {
    {
      id = "dtms_h7_ocd",
      name = "Deep TMS H7 (OCD)",
      aim = "to treat obsessive-compulsive disorder, after provocation of the symptoms",
      cite = "Carmi L et al. 2019 Am J Psychiatry 176:931-938",
      doi = "10.1176/appi.ajp.2019.18101180",
      coil = "H7",
      threshold = "foot",
      target = "dmPFC + ACC (H7 coil)",
      dose = "100 % foot/leg RMT",
      session = "29 sessions over 6 wk, after symptom provocation",
      sessions = { total = 29 },
      reported = "18.3 min (50 x 22 s)",
      evidence = "S; 2 s on, 20 s off, 50 trains M-H",
      unconfirmed = "the train structure (2 s on, 20 s off, 50 trains), 100 % and 29 sessions were not in "
        .. "what was read of the paper",
      note = "--rmt is the foot's threshold here, which is not comparable with a hand's.",
      defaults = { pulses = 40, hz = 20, trains = 50, intensity = mp.rmt(100) },
    },
    {
      id = "dtms_h4_smoking",
      name = "Deep TMS H4 (smoking)",
      aim = "to help people to stop smoking",
      cite = "Zangen A et al. 2021 World Psychiatry 20:397-404",
      doi = "10.1002/wps.20905",
      coil = "H4",
      target = "bilateral lateral PFC + insula (H4)",
      dose = "120 %RMT",
      session = "15 daily + 3 weekly = 18",
      sessions = { per_day = 1, days = 18, total = 18 },
      reported = "18 min (60 x 18 s)",
      evidence = "S; 3 s on, 15 s off, 60 trains M-H",
      unconfirmed = "the train structure (3 s on, 15 s off, 60 trains) and 120 % were not in what was read "
        .. "of the paper",
      defaults = { pulses = 30, hz = 10, trains = 60, every = 18 },
    },
  },
}
