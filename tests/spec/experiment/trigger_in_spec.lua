-- Triggers that come in: every byte on --trigger-in is given to every part of the script that waits for it,
-- whatever the script does meanwhile, or counted and told as passed over.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local queues = require "moonpulse.experiment.trigger_queue"
local shell = require "shell"

describe("the bytes of --trigger-in", function()
  local folder, port, job

  before_each(function()
    folder, port = shell.folder(), core.pty(nil, function() end)
  end)

  after_each(function()
    if job then
      job:kill()
    end
    job = nil
    port:close()
    shell.remove(folder)
  end)

  local function start(body)
    shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
      .. "local stim = run:device()\n"
      .. "local function say(...) print(...) io.stdout:flush() end\n"
      -- until the spec says so, and one turn of the loop more, for the bytes that came before
      .. ("local function go(n) while not io.open('%s/go' .. n) do run:sleep(0.01) end run:sleep(0.05) end\n")
        :format(folder) .. body .. "\nend)\n")
    job = shell.start(folder, "job", ("run %s/made.lua --tolerance 1000 --out %s/runs --trigger-in %s")
      :format(folder, folder, port:path()))
    return job
  end

  local function run_folder()
    return fixture.run_in(folder .. "/runs")
  end

  local function counts()
    return cjson.decode((assert(shell.read(run_folder() .. "/manifest.json")))).experiment.triggers
  end

  local function rows(text)
    local count = 0
    for _, row in ipairs(shell.rows(run_folder() .. "/events.tsv")) do
      count = count + (row.event == "mark" and row.reply == text and 1 or 0)
    end
    return count
  end

  --- All of text, as the far side takes it.
  local function feed(text)
    for at = 1, #text, 500 do
      shell.await(function()
        return port:write(text:sub(at, at + 499))
      end, "room for bytes")
    end
  end

  it("are each given to every part of the script that waits", function()
    start [[
      local seen, ready = { 0, 0 }, 0
      for logger = 1, 2 do
        run:spawn(function()
          ready = ready + 1
          while run:wait_trigger { timeout = 15 } do seen[logger] = seen[logger] + 1 end
        end)
      end
      while ready < 2 do run:sleep(0.01) end
      run:spawn(function() run:sleep(0.01) say "waiting" end)
      local got = 0
      for i = 1, 20 do
        got = got + (run:wait_trigger { byte = 1, timeout = 15 } and 1 or 0)
      end
      while seen[1] < 21 or seen[2] < 21 do run:sleep(0.01) end
      say("got", got, seen[1], seen[2])
    ]]
    job:says "waiting"
    port:write "\2"
    for _ = 1, 20 do
      port:write "\1"
      core.wait(0.01)
    end
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("got\t20\t21\t21", job:out())
    assert.are.equal(20, rows "trigger: byte 1") -- one row a byte, however many parts waited for it
    assert.are.equal(1, rows "trigger: byte 2")
    assert.are.same({ came = 21, taken = 21, passed_over = 0, before = 0, dropped = 0 }, counts())
    assert.matches("21 trigger bytes came on .*, all taken by the script\n", job:out())
  end)

  --- The example of the manual, as it is written there.
  local function example(name)
    local lines, inside = {}, false
    for line in io.lines("docs/experiments.md") do
      inside = inside and (line == "" or line:find "^    ") or line:find("    -- " .. name, 1, true) == 1
      lines[#lines + 1] = inside and line:sub(5) or nil
    end
    return table.concat(lines, "\n") .. "\n"
  end

  --- Run it with a byte every second and a half: those that come before it waits are passed over.
  local function run_locked()
    job = shell.start(folder, "locked", ("run %s/locked.lua --tolerance 1000 --out %s/runs --trigger-in %s")
      :format(folder, folder, port:path()))
    for _ = 1, 60 do
      core.wait(1.5)
      port:write "\x11"
      if job:out():find("\nsent  ", 1, true) or job:err() ~= "" then
        break
      end
    end
    return job:wait(), job:err()
  end

  it("are what a pulse is locked to, as the manual's example does it", function()
    -- after 1 s, not 0.1 s: a process may be held up for so long here
    local script, changed = example "locked.lua":gsub("at = at %+ 0%.1 ", "at = at + 1 ")
    assert.are.equal(1, changed)
    shell.write(folder .. "/locked.lua", script)
    local status, err = run_locked()
    assert.are.equal(0, status, err)
    local names, came, given = shell.names(folder .. "/runs"), {}, {}
    for _, row in ipairs(shell.rows(folder .. "/runs/" .. names[#names] .. "/events.tsv")) do
      if row.event == "pulse" then
        given[#given + 1] = tonumber(row.onset_planned_us) / 1e6
      elseif row.reply:find "^trigger: byte 17" then
        came[#came + 1] = tonumber(row.onset)
      end
    end
    assert.are.equal(5, #given)
    for i, at in ipairs(given) do
      local nearest = math.huge
      for _, byte in ipairs(came) do
        nearest = math.min(nearest, math.abs(at - byte - 1))
      end
      assert.is_true(nearest < 2e-6, ("pulse %d is %.6f s away from where it belongs"):format(i, nearest))
    end
  end)

  it("are kept while the script plays a plan", function()
    start [[
      local train = mp.train { pulses = 3, every = 1, intensity = mp.mso(40) }
      stim:arm(train)
      run:spawn(function() run:sleep(0.01) say "waiting" end)
      assert(run:wait_trigger { timeout = 15 })
      run:spawn(function() run:sleep(0.25) say "playing" end)
      stim:play(train)
      local seen, last = 0, nil
      repeat
        local _, byte = run:wait_trigger { timeout = 15 }
        seen, last = seen + 1, byte
      until byte == 9
      say("seen", seen, last)
    ]]
    job:says "waiting"
    port:write "\5"
    job:says "playing"
    port:write "\5\5\5\5\5\5"
    core.wait(0.05)
    port:write "\5\9"
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("seen\t8\t9", job:out())
    assert.are.equal(9, counts().taken)
  end)

  it("are all counted in bursts of more than 4096", function()
    start [[
      run:spawn(function() run:sleep(0.01) say "waiting" end)
      local seen, byte = 0, nil
      repeat
        _, byte = run:wait_trigger { timeout = 15 }
        seen = seen + 1
      until byte ~= 7
      say("seen", seen, byte)
    ]]
    job:says "waiting"
    feed(("\7"):rep(9000) .. "\9")
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("seen\t9001\t9", job:out())
    assert.are.equal(9001, rows "trigger: byte 7" + rows "trigger: byte 9")
  end)

  it("that came before the script first waited, or that it does not want, are counted and told", function()
    start [[
      say "not yet"
      go(1)
      run:spawn(function() run:sleep(0.01) say "waiting" end)
      local _, byte = run:wait_trigger { byte = 1, timeout = 15 }
      go(2)
      run:spawn(function() run:sleep(0.01) say "afresh" end)
      local _, new = run:wait_trigger { fresh = true, timeout = 15 }
      say("got", byte, new)
    ]]
    job:says "not yet"
    port:write "\1\1\1"
    shell.write(folder .. "/go1", "")
    job:says "waiting"
    port:write "\8\8\1\3\3"
    shell.write(folder .. "/go2", "")
    job:says "afresh"
    port:write "\4"
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("got\t1\t4", job:out())
    assert.are.same({ came = 9, taken = 2, passed_over = 7, before = 3, dropped = 0 }, counts())
    assert.are.equal(1, rows "3 trigger bytes came before the script first waited for one: passed over")
    assert.matches("9 trigger bytes came on .*, 2 taken by the script, 7 passed over: 3 before the script "
      .. "first waited, 4 of another value or not waited for\n", job:out())
  end)

  it("are told where the script never waits", function()
    start [[ say "up" go(1) ]]
    job:says "up"
    port:write "\1\1"
    shell.write(folder .. "/go1", "")
    assert.are.equal(0, job:wait(), job:err())
    assert.are.same({ came = 2, taken = 0, passed_over = 2, before = 2, dropped = 0 }, counts())
    assert.matches("2 passed over", job:out())
  end)

  it("come in a flood, and the loop has its turns: Ctrl-C stops a script that only takes them", function()
    start [[
      stim:arm()
      run:spawn(function() run:sleep(0.01) say "waiting" end)
      local n = 0
      while true do
        if run:wait_trigger { timeout = 15 } then n = n + 1 end
        if n == 3000 then say "3000" end
      end
    ]]
    job:says "waiting"
    local ended
    core.spawn(function()
      while not ended do
        port:write(("\1"):rep(2000))
        core.wait(0.001)
      end
    end)
    job:says "3000"
    job:signal "INT"
    local status = job:wait()
    ended = true
    assert.are.equal(5, status, job:err())
    assert.matches("the stimulator is disarmed", job:err())
    local now = counts()
    assert.is_true(now.taken >= 3000, now.taken)
    assert.are.equal(now.came, now.taken + now.passed_over)
  end)

  it("want true or false for fresh", function()
    start "run:wait_trigger { fresh = 1 }"
    assert.are.equal(2, job:wait())
    assert.matches("made.lua:6: run:wait_trigger: fresh must be true or false, not 1", job:err())
  end)
end)

describe("the queue of trigger bytes", function()
  --- Take everything that is there for who, and put the values together.
  local function all(queue, who, byte)
    local list = {}
    while true do
      local at, value = queue:take(who, byte)
      if not at then
        return table.concat(list, " ")
      end
      list[#list + 1] = ("%d@%d"):format(value, at)
    end
  end

  it("gives each part what came since it first listened, in order, with the times", function()
    local queue = queues.new()
    queue:push("\1\2", 10)
    queue:listen "a"
    queue:push("\3\4", 20)
    queue:listen "b"
    queue:push("\5", 30)
    assert.are.equal("3@20 4@20 5@30", all(queue, "a"))
    assert.are.equal("5@30", all(queue, "b"))
    queue:push("\6\5\6", 40)
    assert.are.equal("5@40", all(queue, "b", 5))
    assert.are.equal("6@40 5@40 6@40", all(queue, "a"))
    assert.are.same({ 8, 6, 2, 0 }, { queue.came, queue.taken, queue.unheard, queue.dropped })
  end)

  it("says of each byte once that nobody had it before", function()
    local queue = queues.new()
    queue:listen "a"
    queue:listen "b"
    queue:push(("x"):rep(200), 1)
    for i = 1, 200 do
      local who, other = i % 2 == 0 and "a" or "b", i % 2 == 0 and "b" or "a"
      assert.is_true((select(3, queue:take(who))))
      assert.is_false((select(3, queue:take(other))))
    end
    assert.are.equal(200, queue.taken)
  end)

  it("keeps what was not met up to a limit, lets the oldest go, and counts it", function()
    for _, most in ipairs { { pieces = 1000, bytes = 10 }, { pieces = 5, bytes = 1000 } } do
      local queue = queues.new(most)
      queue:listen "slow"
      queue:listen "quick"
      for i = 1, 100 do
        queue:push("ab", i)
        assert.is_true(queue.last - queue.first < 5 and queue.held <= 10)
        if i <= 97 then
          queue:listen "quick"
          assert.are.equal(("97@%d 98@%d"):format(i, i), all(queue, "quick"))
        end
      end
      assert.are.equal(190, queue:listen "slow")
      assert.are.equal("97@96 98@96 97@97 98@97 97@98 98@98 97@99 98@99 97@100 98@100", all(queue, "slow"))
      assert.are.same({ 200, 200, 0 }, { queue.came, queue.taken, queue.dropped })
    end
  end)

  it("counts as dropped what no part was given", function()
    local queue = queues.new { pieces = 3, bytes = 1000 }
    queue:listen "slow"
    for i = 1, 10 do
      queue:push("abc", i)
    end
    assert.are.equal(21, queue.dropped)
    assert.are.equal(21, queue:listen("slow"))
    assert.are.equal(0, queue:listen("slow", true))
    assert.are.equal("", all(queue, "slow"))
  end)

  it("keeps nothing that every part has met", function()
    local queue = queues.new()
    queue:listen "a"
    for i = 1, 100 do
      queue:push(("x"):rep(1000), i)
      while queue:take("a") do end
    end
    queue:push("y", 101)
    assert.are.equal(1, queue.held)
  end)
end)
