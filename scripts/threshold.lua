-- Motor threshold hunting: one pulse a trial, the experimenter says whether the muscle answered.
--
--   moonpulse run threshold                                  on the simulator
--   moonpulse run threshold --device magventure --port /dev/ttyUSB0
--
-- Pulses closer than 4.5 s are a train to the safety check, judged as the strongest of its table while no
-- threshold is known: hence the pause. The staircase and its estimate: docs/experiments.md.
local mp = require "moonpulse"

return mp.experiment {
  name = "Motor threshold",
  aim = "to find the motor threshold by one up, one down",
  cite = "1-up-1-down rule: Levitt H 1971 J Acoust Soc Am 49:467-477",
  doi = "10.1121/1.1912375",
  params = {
    start = { default = 45, min = 1, max = 100, help = "%MSO of the first pulse" },
    step = { default = 2, min = 1, max = 20, help = "%MSO; halved at each reversal, down to 1" },
    reversals = { default = 6, min = 2, max = 20, help = "ends after so many" },
    kind = { default = "unsaid", values = { "unsaid", "RMT", "AMT" }, help = "at rest, or active" },
    pause = { default = 5.0, min = 0, max = 60, help = "s; 0 to 2 s more are drawn for each trial" },
  },
  run = function(run)
    local stim = run:device()
    local stairs = run:staircase { start = run.params.start, step = run.params.step,
      reversals = run.params.reversals, kind = run.params.kind ~= "unsaid" and run.params.kind or nil }
    stim:arm()
    for trial, intensity in stairs do
      run:sleep(run:uniform(run.params.pause, run.params.pause + 2))
      stim:fire(mp.pulse { intensity = mp.mso(intensity) })
      trial:answer(run:ask "MEP above 50 uV? [y/n]")
    end
    stim:disarm()
  end,
}
