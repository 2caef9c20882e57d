-- Whole runs on the StimJim's simulator through a real pseudo-terminal: every pulse proven by the device,
-- a stop in a train, another firmware, a fault.
local cjson = require "cjson"
local driver = require "moonpulse.devices.stimjim"
local fixture = require "job"
local shell = require "shell"

describe("moonpulse run on a StimJim", function()
  local folder, job

  before_each(function()
    folder, job = shell.folder(), nil
    shell.write(folder .. "/slow.lua", 'local mp = require "moonpulse"\nreturn mp.protocol {\n'
      .. '  id = "slow", name = "Slow", plan = function()\n'
      .. '    return mp.train { pulses = 40, hz = 1, intensity = mp.mso(40) }\n  end,\n}\n')
  end)

  after_each(function()
    if job then
      job:kill()
    end
    shell.remove(folder)
  end)

  local function arguments(protocol, more)
    return ("run %s --tolerance 1000 --device sim:stimjim --out %s/runs %s"):format(protocol, folder,
      more or "")
  end

  local function results()
    local path = fixture.run_in(folder .. "/runs")
    return shell.rows(path .. "/events.tsv"), shell.rows(path .. "/twin.tsv"),
      fixture.manifest(path)
  end

  local function pulses_of(log)
    local list = {}
    for _, row in ipairs(log) do
      if row.event == "pulse" then
        list[#list + 1] = row
      end
    end
    return list
  end

  it("proves every pulse: by burst where the device times them, one by one where we do", function()
    for timing, text in pairs { device = "3 delivered", host = "1 delivered" } do
      local code, _, err = shell.moonpulse(folder, arguments("itbs600", "--amt 50 -p trains=1 "
        .. "--device-option full_scale_ua=2000 --timing " .. timing
        .. (timing == "host" and " --speed max" or "")))
      assert.are.equal(0, code, err)
      local events, log, manifest = results()
      assert.are.equal(30, #events)
      assert.are.equal(30, #pulses_of(log))
      assert.are.equal(30, manifest.result.pulses_confirmed)
      for _, row in ipairs(events) do
        assert.are.same({ "delivered", text, timing == "host" and "host" or "device" },
          { row.status, row.reply, row.timed_by })
      end
      shell.remove(folder .. "/runs")
    end
  end)

  it("stops a train in its middle: no pulse comes after", function()
    job = shell.start(folder, "job", arguments(folder .. "/slow.lua", "--timing device"))
    job:says "timing"
    shell.await(function()
      local name = shell.names(folder .. "/runs")[1]
      local _, count = (name and shell.read(("%s/runs/%s/twin.tsv"):format(folder, name)) or ""):gsub(
        "\tpulse\t", "")
      return count >= 3
    end, "three pulses")
    job:signal "INT"
    assert.are.equal(5, job:wait())
    local events, log = results()
    local given, stopped = #pulses_of(log), false
    assert.is_true(given >= 3 and given < 20)
    for _, row in ipairs(log) do
      stopped = stopped or row.event == "disarm"
      assert.is_false(stopped and row.event == "pulse")
    end
    assert.are.equal(40, #events)
    for i, row in ipairs(events) do
      assert.is_true(row.status == (i <= given and "sent" or "stopped") or math.abs(i - given) <= 1)
    end
  end)

  it("compares what was measured at the output with what it was set to; recover says the same", function()
    shell.write(folder .. "/loose.lua", "local driver = {}\nfor key, value in pairs(require "
      .. '"moonpulse.devices.stimjim") do driver[key] = value end\n'
      .. 'driver.name, driver.simulator = "loose", "loose_simulator.lua"\nreturn driver\n')
    -- from its third completion on an electrode is loose
    shell.write(folder .. "/loose_simulator.lua", [[
      local model = require "moonpulse.simulators.stimjim"
      local M = setmetatable({}, { __index = model })
      function M.new(options)
        local simulator, complete = model.new(options), 0
        for _, name in ipairs { "receive", "tick" } do
          local method = simulator[name]
          simulator[name] = function(...)
            local replies, log, next_ns = method(...)
            for _, reply in ipairs(replies or {}) do
              complete = complete + (reply.bytes:find("^Train complete") and 1 or 0)
              if complete >= 3 then
                reply.bytes = reply.bytes:gsub("( )800uA", "%1312uA")
              end
            end
            return replies, log, next_ns
          end
        end
        return simulator
      end
      return M]])
    for _, timing in ipairs { "host", "device" } do
      local code, _, err = shell.moonpulse(folder, ("run %s/slow.lua --tolerance 1000 --timing %s "
        .. "--out %s/runs --device sim:%s/loose.lua --device-option full_scale_ua=2000"):format(folder,
        timing .. (timing == "device" and " --speed max" or ""), folder, folder))
      if timing == "device" then -- one start, one completion
        assert.are.equal(0, code, err)
      else
        assert.are.equal(4, code)
        assert.is_truthy(err:find("pulse 3 was given otherwise than it was set: 312 uA were measured at "
          .. "output 1, which was set to 800 uA", 1, true), err)
        local events, _, manifest = results()
        assert.are.same({ "delivered", "delivered", "otherwise" }, { events[1].status, events[2].status,
          events[3].status })
        local path = fixture.run_in(folder .. "/runs")
        local live = shell.read(path .. "/events.tsv")
        manifest.status, manifest.result = "running", nil
        shell.write(path .. "/manifest.json", cjson.encode(manifest))
        assert.are.equal(0, (shell.moonpulse(folder, ("recover %s --device %s/loose.lua"):format(path,
          folder))))
        assert.are.equal(live, shell.read(path .. "/events.tsv"))
      end
      shell.remove(folder .. "/runs")
    end
  end)

  it("says that it is not safe where the device does not stop", function()
    local code, _, err = shell.moonpulse(folder, arguments(folder .. "/slow.lua",
      "--speed max --fault stuck-armed@3"))
    assert.are.equal(4, code)
    assert.is_truthy(err:find("NOT CONFIRMED SAFE", 1, true))
    assert.is_truthy(err:find("does not say that its trains are stopped: unplug it", 1, true))
  end)

  it("refuses another firmware before anything is sent that could fire", function()
    local simulator = require("moonpulse.simulators.stimjim").new { firmware = "awg" }
    local sent, dialect = "", {}
    local ok, problem = pcall(driver.connect, {
      fault = function(_, text, ...) error(text:format(...), 0) end,
      transact = function(_, bytes, want)
        sent = sent .. bytes
        local text = ""
        for _, reply in ipairs((simulator:receive(bytes, 1000000000))) do
          text = text .. reply.bytes
        end
        while text ~= "" do
          local reply, used = driver.decode(text, dialect)
          text = text:sub(used + 1)
          if want(reply) then
            return reply
          end
        end
      end,
    })
    assert.is_false(ok)
    assert.is_truthy(problem:find("another firmware", 1, true), problem)
    assert.are.equal("IDN\nS0\n", sent)
  end)
end)
