-- Motor threshold by a published method: one pulse a trial, given where the method says.
--
--   moonpulse run threshold_hunt                          ML-PEST, on the simulator
--   moonpulse run threshold_hunt -p method=amplitude      asks for the MEP's size, not yes or no
--   moonpulse run threshold_hunt -p kind=RMT --device magventure --port /dev/ttyUSB0
--
-- Pulses closer than 4.5 s are a train to the safety check, judged as the strongest of its table while no
-- threshold is known: hence the pause. The methods: docs/experiments.md, docs/thresholds.md.
local mp = require "moonpulse"

return mp.experiment {
  name = "Motor threshold hunt",
  aim = "to find the motor threshold by a published method",
  cite = "Awiszus F. 2003 Suppl Clin Neurophysiol 56:13-23; the methods compared: Wang B, Peterchev AV, "
    .. "Goetz SM. 2023 J Neural Eng",
  doi = "10.1088/1741-2552/acf1cc",
  params = {
    method = { default = "ml-pest", help = "which method",
      values = { "ml-pest", "stochastic", "amplitude", "relative-frequency", "mills-nithi" } },
    start = { default = 50, min = 1, max = 100, help = "%MSO of the first pulse" },
    kind = { default = "unsaid", values = { "unsaid", "RMT", "AMT" }, help = "at rest, or active" },
    pause = { default = 5.0, min = 0, max = 60, help = "s; 0 to 2 s more are drawn for each trial" },
  },
  run = function(run)
    local stim, given = run:device(), run.params
    local hunt = run:threshold { method = given.method, start = given.start,
      kind = given.kind ~= "unsaid" and given.kind or nil }
    local question = given.method == "amplitude" and "MEP in uV? [number]" or "MEP above 50 uV? [y/n]"
    stim:arm()
    for trial, intensity in hunt do
      run:sleep(run:uniform(given.pause, given.pause + 2))
      stim:fire(mp.pulse { intensity = mp.mso(intensity) })
      trial:answer(run:ask(question))
    end
    stim:disarm()
  end,
}
