-- Sham by a low intensity: the schedule of another protocol, pulse for pulse, with one intensity.
local mp = require "moonpulse"

return mp.protocol {
  id = "sham",
  name = "Sham (any of the above)",
  family = "sham",
  aim = "a control condition: the same schedule, clicks and record, without an effective field",
  target = "as active",
  dose = "0 or <=20 %MSO, tilted or sham coil",
  session = "as active",
  reported = "as active",
  evidence = "S: TMSMultiLab rules (fake pulses with sound; other site; reversed current; coil "
    .. "near but ineffective)",
  note = "Only the intensity is replaced; pulses, times and drawn orders are those of the active "
    .. "protocol with the same seed. For a sham or tilted coil run the active protocol itself. "
    .. "Blinding by the coil's click and the skin's sensation is not assured by a low intensity.",
  params = {
    of = { default = "itbs600", help = "the active protocol: an id or the path of a file" },
    with = { default = "", help = "its parameters, like \"trains=10 hz=30\"" },
    intensity = { default = mp.mso(20), min = 0, max = 20, help = "of every pulse; at most 20 %MSO" },
  },
  plan = function(p)
    return mp.sham { of = p.of, with = p.with, intensity = p.intensity }
  end,
}
