-- Faults of the other simulators: found while nothing is sent, on the reply that counts, or not at all.
local cjson = require "cjson"
local devices = require "moonpulse.driver.find"
local shell = require "shell"

describe("a fault of another simulator", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  --- Run a train; the exit status, what it said, the manifest's result.
  local function run(train, options)
    shell.write(folder .. "/made.lua", ([[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { %s, intensity = mp.mso(40) } end }]]):format(train))
    local status, out, err = shell.moonpulse(folder, ("run %s/made.lua --tolerance 1000 --out %s/runs %s")
      :format(folder, folder, options))
    local name = shell.names(folder .. "/runs")[1]
    local text = name and shell.read(("%s/runs/%s/manifest.json"):format(folder, name))
    return status, out, err, text and cjson.decode(text).result
  end

  it("is found in the middle of a train that the unit times: keep-alives are not answered", function()
    local status, _, err, result = run("pulses = 45, hz = 5", "--device sim:rapid --fault half-open@2")
    assert.are.equal(4, status)
    assert.matches("NOT CONFIRMED SAFE", err, 1, true)
    assert.matches("has been silent for %d.%d s, though it was asked", err)
    assert.are.equal("device", result.stop)
    assert.is_true(result.elapsed_s < 8, result.elapsed_s) -- the train lasts 9 s, and it arms for 1 s
  end)

  it("a lost reply is not called silence", function()
    local status, _, err = run("pulses = 3, hz = 0.4", "--speed max --device sim:magstim200 --fault drop@2")
    assert.are.equal(4, status)
    assert.matches("pulse 2 was not confirmed within", err, 1, true)
  end)

  it("meets the reply that confirms, where another one comes first", function()
    local status, _, err, result = run("pulses = 20, hz = 5",
      "--speed max --device sim:stimjim --timing host --fault drop@2,nak@4")
    assert.are.equal(4, status)
    assert.matches("a line that no StimJim writes", err, 1, true)
    assert.is_true(result.pulses_confirmed <= 2) -- the first; the third's may stand for the second's
  end)

  it("that its model does not have is refused before a run is made", function()
    local status, _, err, result = run("pulses = 3, hz = 5",
      "--device sim:pulsepal --fault over-temperature@1")
    assert.are.equal(2, status)
    assert.matches('has no fault "over-temperature"', err, 1, true)
    assert.is_nil(result)
  end)

  it("that did not happen is said", function()
    local status, out = run("pulses = 3, hz = 5", "--speed max --timing host --fault split@1,drop@9")
    assert.are.equal(0, status)
    assert.matches("the fault drop@9 did not happen", out, 1, true)
    assert.is_nil(out:find("split", 1, true))
  end)

  it("is over in less than two seconds by the drivers' own times", function()
    for _, name in ipairs { "magventure", "magstim200", "bistim", "rapid" } do
      local driver, asked = devices.configure(assert(devices.find(name)), {}), 0
      local ok = pcall(driver.disarm, {
        options = driver.settings,
        fault = function() error "fault" end,
        transact = function(_, _, _, timeout, tries)
          asked = asked + timeout * tries
          error "silent"
        end,
      })
      assert.is_false(ok)
      local alive = driver.keepalive
      local found = math.max(driver.reply_timeout, alive and alive.period + 2 * driver.reply_slow or 0)
      assert.is_true(alive == nil or alive.answered)
      -- unnoticed, looked at (0.05 s), asked in vain, the simulator's good-bye (0.25 s)
      assert.is_true(asked > 0 and found + 0.05 + asked + 0.25 < 2, name)
    end
  end)
end)
