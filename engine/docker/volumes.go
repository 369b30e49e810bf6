package docker

func (s *Server) volumeRoutes() {}
